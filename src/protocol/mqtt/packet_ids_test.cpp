#include "protocol/mqtt/packet_ids.hpp"

#include <gtest/gtest.h>

#include <set>

namespace famemely::mqtt {
namespace {

TEST(PacketIds, HandsOutEachOf65535OnceAndThenNone) {
  PacketIds ids;
  std::set<std::uint16_t> seen;
  while (const auto id = ids.acquire()) seen.insert(*id);
  EXPECT_EQ(seen.size(), 65'535U);
  EXPECT_EQ(*seen.begin(), 1U);
  EXPECT_FALSE(ids.available());
  EXPECT_EQ(ids.in_use(), 65'535U);
  ids.release(7);
  EXPECT_EQ(ids.acquire(), 7);
}

TEST(PacketIds, LetsAReleasedOneRest) {
  PacketIds ids;
  ids.release(*ids.acquire());
  EXPECT_EQ(ids.acquire(), 2);
  EXPECT_EQ(ids.in_use(), 1U);
}

TEST(PacketIds, StaysAmongFewWhenFewAreInUse) {
  PacketIds ids;
  std::uint16_t highest = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint16_t id = *ids.acquire();
    highest = std::max(highest, id);
    ids.release(id);
  }
  EXPECT_LE(highest, 257);
}

}  // namespace
}  // namespace famemely::mqtt
