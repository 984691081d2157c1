#include "serving/turn_pace.hpp"

#include <gtest/gtest.h>

namespace famemely::serving {
namespace {

using std::chrono::microseconds;

/// Turns of a length, a gap apart; the pause after the last one.
Duration pause_after(std::uint32_t turns, Duration length, Duration gap) {
  TurnPace pace;
  Instant now = Instant{} + std::chrono::hours(1);
  Duration pause{};
  for (std::uint32_t i = 0; i < turns; ++i) {
    pace.on_begin(now);
    now += length;
    pause = pace.on_end(now);
    now += pause + gap;
  }
  return pause;
}

TEST(TurnPace, PausesInAStreakOfShortTurns) {
  EXPECT_EQ(pause_after(TurnPace::kStreak, microseconds(10), microseconds(20)), Duration::zero());
  EXPECT_EQ(pause_after(TurnPace::kStreak + 1, microseconds(10), microseconds(20)), TurnPace::kPause);
  EXPECT_EQ(pause_after(1000, microseconds(10), microseconds(20)), TurnPace::kPause) << "as long as it lasts";
}

TEST(TurnPace, DoesNotPauseWhereEventsAreFarApart) {
  EXPECT_EQ(pause_after(1000, microseconds(10), TurnPace::kGapMax), Duration::zero());
}

TEST(TurnPace, DoesNotPauseWhereTurnsAreLong) {
  EXPECT_EQ(pause_after(1000, TurnPace::kTurnMax, microseconds(0)), Duration::zero());
}

TEST(TurnPace, DoesNotPauseWhereMessagesAreDelivered) {
  TurnPace pace;
  Instant now = Instant{} + std::chrono::hours(1);
  for (int i = 0; i < 1000; ++i) {
    pace.on_begin(now);
    pace.on_message();
    EXPECT_EQ(pace.on_end(now += microseconds(10)), Duration::zero());
  }
}

TEST(TurnPace, ATurnBeginsOnce) {
  TurnPace pace;
  Instant now = Instant{} + std::chrono::hours(1);
  for (int i = 0; i < 1000; ++i) pace.on_begin(now += microseconds(1));
  EXPECT_EQ(pace.on_end(now), Duration::zero()) << "many events of one turn are no streak";
}

}  // namespace
}  // namespace famemely::serving
