#include "protocol/mqtt/keepalive.hpp"

#include <gtest/gtest.h>

namespace famemely::mqtt {
namespace {

using std::chrono::seconds;
using Verdict = Keepalive::Verdict;
constexpr Instant kStart{seconds(1000)};

Keepalive started() {
  Keepalive keepalive;
  keepalive.start(kStart, kStart, seconds(10));
  return keepalive;
}

TEST(Keepalive, PingsAfterAnIntervalWithoutSending) {
  Keepalive keepalive = started();
  keepalive.on_received(kStart + seconds(9));
  EXPECT_EQ(keepalive.check(kStart + seconds(9)), Verdict::fine);
  EXPECT_EQ(keepalive.check(kStart + seconds(10)), Verdict::ping);
}

TEST(Keepalive, PingsAfterAnIntervalWithoutReceiving) {
  Keepalive keepalive = started();
  keepalive.on_sent(kStart + seconds(9));
  EXPECT_EQ(keepalive.deadline(), kStart + seconds(10));
  EXPECT_EQ(keepalive.check(kStart + seconds(10)), Verdict::ping);
}

TEST(Keepalive, IsDeadWithinOneAndAHalfIntervals) {
  Keepalive keepalive = started();
  EXPECT_EQ(keepalive.check(kStart + seconds(10)), Verdict::ping);
  EXPECT_EQ(keepalive.deadline(), kStart + seconds(15));
  EXPECT_EQ(keepalive.check(kStart + seconds(14)), Verdict::fine);
  EXPECT_EQ(keepalive.check(kStart + seconds(15)), Verdict::dead);
}

TEST(Keepalive, TakesAnyByteForLife) {
  Keepalive keepalive = started();
  EXPECT_EQ(keepalive.check(kStart + seconds(10)), Verdict::ping);
  keepalive.on_sent(kStart + seconds(10));
  keepalive.on_received(kStart + seconds(14));
  EXPECT_EQ(keepalive.check(kStart + seconds(15)), Verdict::fine);
  EXPECT_EQ(keepalive.deadline(), kStart + seconds(20));
}

TEST(Keepalive, AnIntervalOfZeroNeverEnds) {
  Keepalive keepalive;
  keepalive.start(kStart, kStart, Duration::zero());
  EXPECT_EQ(keepalive.deadline(), kNever);
}

}  // namespace
}  // namespace famemely::mqtt
