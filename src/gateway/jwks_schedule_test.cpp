#include "gateway/jwks_schedule.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using namespace std::chrono_literals;

const Instant kStart{1h};

class JwksScheduleTest : public ::testing::Test {
 protected:
  void fetch(Instant now, std::optional<std::chrono::seconds> max_age = std::nullopt) {
    schedule_.on_begin(now);
    schedule_.on_success(max_age, now);
  }
  void fail(Instant now) {
    schedule_.on_begin(now);
    schedule_.on_failure(now);
  }

  JwksSchedule schedule_{24h, kStart};
};

TEST_F(JwksScheduleTest, BeginsAtOnce) {
  EXPECT_EQ(schedule_.next_fetch(), kStart);
  EXPECT_EQ(schedule_.end_of_keys(), kNever);
}

TEST_F(JwksScheduleTest, HasOneFetchAtATime) {
  schedule_.on_begin(kStart);
  EXPECT_EQ(schedule_.next_fetch(), kNever);
}

TEST_F(JwksScheduleTest, RefreshesBeforeTenMinutesAreOver) {
  fetch(kStart);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 9min);
  fetch(kStart, 1h);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 9min);
}

TEST_F(JwksScheduleTest, RefreshesBeforeMaxAgeIsOver) {
  fetch(kStart, 100s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 90s);
}

TEST_F(JwksScheduleTest, DoesNotFetchWithoutPauseWhateverTheIssuerSays) {
  for (std::chrono::seconds max_age : {0s, 1s}) {
    fetch(kStart, max_age);
    EXPECT_EQ(schedule_.next_fetch(), kStart + 9s);
  }
}

TEST_F(JwksScheduleTest, FetchesForAnUnknownKeyOnceInThirtySeconds) {
  fetch(kStart);
  for (int i = 0; i < 1000; ++i) schedule_.on_unknown_key(kStart + 1s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 30s);
  fetch(kStart + 30s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 30s + 9min) << "one wish, one fetch";
  schedule_.on_unknown_key(kStart + 5min);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 5min) << "at once, where the last one is long ago";
}

TEST_F(JwksScheduleTest, AnUnknownKeyDuringAFetchWantsNoOther) {
  schedule_.on_begin(kStart);
  schedule_.on_unknown_key(kStart + 1s);
  schedule_.on_success(std::nullopt, kStart + 2s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 2s + 9min);
}

TEST_F(JwksScheduleTest, RetriesWithGrowingPauses) {
  Instant now = kStart;
  for (std::chrono::seconds pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    fail(now);
    EXPECT_EQ(schedule_.next_fetch(), now + pause);
    now += pause;
  }
  fetch(now);
  fail(now);
  EXPECT_EQ(schedule_.next_fetch(), now + 1s) << "after a success from the beginning";
}

TEST_F(JwksScheduleTest, TheLastSetCountsForAWhile) {
  fetch(kStart);
  fail(kStart + 9min);
  fail(kStart + 10min);
  EXPECT_EQ(schedule_.end_of_keys(), kStart + 10min + 24h);
  fetch(kStart + 1h);
  EXPECT_EQ(schedule_.end_of_keys(), kStart + 1h + 10min + 24h);
  schedule_.on_end_of_keys();
  EXPECT_EQ(schedule_.end_of_keys(), kNever);
}

TEST_F(JwksScheduleTest, FetchesOnDemandAtOnceOrAfterTheFetchOnItsWay) {
  fetch(kStart);
  schedule_.on_demand(kStart + 1s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 1s);
  schedule_.on_begin(kStart + 1s);
  schedule_.on_demand(kStart + 2s);
  schedule_.on_success(std::nullopt, kStart + 3s);
  EXPECT_EQ(schedule_.next_fetch(), kStart + 2s);
}

}  // namespace
}  // namespace famemely::gateway
