#include "protocol/engineio/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace famemely::engineio {
namespace {

using std::chrono::milliseconds;

constexpr Duration kTick = milliseconds(10);
const Instant kStart = Instant(std::chrono::hours(100)) + milliseconds(3);

std::vector<std::uint32_t> take_all(TimerWheel& wheel, Instant now) {
  std::vector<std::uint32_t> due;
  while (const auto one = wheel.take_due(now)) due.push_back(one->id);
  return due;
}

TEST(EngineTimerWheel, FiresWithinATickAndNeverEarly) {
  TimerWheel wheel(kTick);
  wheel.set(0, kStart + milliseconds(300));
  EXPECT_TRUE(take_all(wheel, kStart + milliseconds(299)).empty());
  EXPECT_EQ(take_all(wheel, kStart + milliseconds(310)), std::vector<std::uint32_t>{0});
  EXPECT_TRUE(take_all(wheel, kStart + milliseconds(1000)).empty());
}

TEST(EngineTimerWheel, KnowsNothingDueWhenEmpty) {
  TimerWheel wheel(kTick);
  EXPECT_EQ(wheel.next(), kNever);
  wheel.set(3, kStart);
  wheel.cancel(3);
  wheel.cancel(99);
  EXPECT_EQ(wheel.next(), kNever);
  EXPECT_TRUE(take_all(wheel, kStart + milliseconds(100)).empty());
}

TEST(EngineTimerWheel, TakesASoonerDeadlineSetAfterALaterOne) {
  TimerWheel wheel(kTick);
  wheel.set(0, kStart + std::chrono::seconds(60));
  wheel.set(1, kStart + milliseconds(50));
  EXPECT_EQ(take_all(wheel, kStart + milliseconds(60)), std::vector<std::uint32_t>{1});
}

TEST(EngineTimerWheel, TellsWhenTheNextIsDue) {
  TimerWheel wheel(kTick);
  EXPECT_TRUE(take_all(wheel, kStart).empty());
  wheel.set(0, kStart + milliseconds(300));
  EXPECT_GE(wheel.next(), kStart + milliseconds(300));
  EXPECT_LE(wheel.next(), kStart + milliseconds(310));
}

TEST(EngineTimerWheel, TicksByATwoHundredthOfTheTimeout) {
  EXPECT_EQ(TimerWheel::tick_for(milliseconds(400)), milliseconds(2));
  EXPECT_EQ(TimerWheel::tick_for(milliseconds(20)), milliseconds(1));
  EXPECT_EQ(TimerWheel::tick_for(std::chrono::seconds(20)), milliseconds(10));
}

TEST(EngineTimerWheel, AgreesWithASortedMapOverManyLaps) {
  TimerWheel wheel(kTick);
  std::map<std::uint32_t, Instant> model;
  std::mt19937 random(7);
  Instant now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    // Most steps are short, some skip more than a lap.
    now += milliseconds(random() % 100 == 0 ? random() % 100'000 : random() % 50);
    for (const std::uint32_t id : take_all(wheel, now)) {
      ASSERT_TRUE(model.contains(id));
      ASSERT_LE(model[id], now);
      model.erase(id);
    }
    for (const auto& [id, deadline] : model) ASSERT_GT(deadline + kTick, now) << "late";
    const auto id = static_cast<std::uint32_t>(random() % 50);
    if (random() % 4 == 0) {
      wheel.cancel(id);
      model.erase(id);
    } else {
      model[id] = now + milliseconds(random() % 90'000);
      wheel.set(id, model[id]);
    }
    Instant first = kNever;
    for (const auto& [unused, deadline] : model) first = std::min(first, deadline);
    if (first == kNever) {
      ASSERT_EQ(wheel.next(), kNever);
    } else {
      ASSERT_LE(wheel.next(), first + kTick);
    }
  }
}

}  // namespace
}  // namespace famemely::engineio
