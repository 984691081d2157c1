#include "api/status_announcer.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

using std::chrono::milliseconds;
const Instant kStart = Instant{} + std::chrono::hours(1);
const gateway::LinkStatus kUp{.is_connected = true, .client_id = "a"};
const gateway::LinkStatus kDown{.is_connected = false, .client_id = "a"};

TEST(StatusAnnouncer, TellsAChangeAtOnce) {
  StatusAnnouncer announcer;
  announcer.on_status(kUp, kStart);
  EXPECT_TRUE(announcer.take(kStart));
  EXPECT_FALSE(announcer.take(kStart));
}

TEST(StatusAnnouncer, TakesTheFirstStateForNoChangeAndTellsOfTheConnectionAtOnce) {
  StatusAnnouncer announcer;
  announcer.on_status(kDown, kStart);
  EXPECT_EQ(announcer.next_deadline(), kNever);
  announcer.on_status(kUp, kStart + milliseconds(20));
  EXPECT_TRUE(announcer.take(kStart + milliseconds(20)));
}

TEST(StatusAnnouncer, TellsTheLatestStateOnceASecond) {
  StatusAnnouncer announcer;
  announcer.on_status(kUp, kStart);
  ASSERT_TRUE(announcer.take(kStart));
  announcer.on_status(kDown, kStart + milliseconds(100));
  EXPECT_FALSE(announcer.take(kStart + milliseconds(999)));
  EXPECT_EQ(announcer.next_deadline(), kStart + milliseconds(1000));
  EXPECT_TRUE(announcer.take(kStart + milliseconds(1000)));
}

TEST(StatusAnnouncer, TellsOfABlinkBecauseASocketMayHaveJoinedInBetween) {
  StatusAnnouncer announcer;
  announcer.on_status(kUp, kStart);
  ASSERT_TRUE(announcer.take(kStart));
  announcer.on_status(kDown, kStart + milliseconds(100));
  announcer.on_status(kUp, kStart + milliseconds(200));
  EXPECT_TRUE(announcer.take(kStart + milliseconds(1000)));
}

TEST(StatusAnnouncer, IgnoresWhatSocketsAreNotToldOf) {
  StatusAnnouncer announcer;
  announcer.on_status(kUp, kStart);
  ASSERT_TRUE(announcer.take(kStart));
  gateway::LinkStatus other = kUp;
  other.reconnect_attempts = 7;
  announcer.on_status(other, kStart + milliseconds(5000));
  EXPECT_EQ(announcer.next_deadline(), kNever);
}

}  // namespace
}  // namespace famemely::api
