#include "gateway/slot_alarms.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

Instant at(int seconds) { return Instant(std::chrono::seconds(seconds)); }

TEST(SlotAlarms, RingInTheirOrder) {
  SlotAlarms alarms;
  alarms.set(7, at(2));
  alarms.set(1, at(3));
  alarms.set(9, at(1));
  EXPECT_EQ(alarms.next(), at(1));
  EXPECT_EQ(alarms.take_due(at(2)), 9U);
  EXPECT_EQ(alarms.take_due(at(2)), 7U);
  EXPECT_EQ(alarms.take_due(at(2)), std::nullopt);
  EXPECT_EQ(alarms.next(), at(3));
}

TEST(SlotAlarms, AreMovedAndCancelled) {
  SlotAlarms alarms;
  alarms.set(1, at(1));
  alarms.set(1, at(5));
  EXPECT_EQ(alarms.take_due(at(4)), std::nullopt);
  alarms.set(2, at(6));
  alarms.cancel(1);
  alarms.cancel(1);
  alarms.cancel(77);
  EXPECT_EQ(alarms.take_due(at(9)), 2U);
  EXPECT_EQ(alarms.next(), kNever);
}

TEST(SlotAlarms, OfOneTimeAllRing) {
  SlotAlarms alarms;
  for (ClientSlot slot = 0; slot < 10; ++slot) alarms.set(slot, at(1));
  std::size_t rung = 0;
  while (alarms.take_due(at(1))) ++rung;
  EXPECT_EQ(rung, 10U);
}

}  // namespace
}  // namespace famemely::gateway
