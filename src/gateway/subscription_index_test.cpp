#include "gateway/subscription_index.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace famemely::gateway {
namespace {

std::map<ClientSlot, int> recipients(SubscriptionIndex& index, const std::vector<FilterId>& filters) {
  std::map<ClientSlot, int> found;
  index.for_each_recipient(filters, [&](ClientSlot client, std::uint8_t qos) {
    EXPECT_FALSE(found.contains(client)) << "delivered twice to " << client;
    found[client] = qos;
  });
  return found;
}

TEST(SubscriptionIndex, DeliversOnceWithTheHighestQos) {
  SubscriptionIndex index;
  index.join(1, 10, 0);
  index.join(2, 10, 2);
  index.join(2, 11, 1);
  EXPECT_EQ(recipients(index, {1, 2}), (std::map<ClientSlot, int>{{10, 2}, {11, 1}}));
  EXPECT_EQ(recipients(index, {1}), (std::map<ClientSlot, int>{{10, 0}}));
  EXPECT_EQ(recipients(index, {3}), (std::map<ClientSlot, int>{}));
}

TEST(SubscriptionIndex, JoiningAgainChangesTheQos) {
  SubscriptionIndex index;
  index.join(1, 10, 0);
  index.join(1, 10, 2);
  EXPECT_EQ(index.member_count(1), 1U);
  EXPECT_EQ(recipients(index, {1}), (std::map<ClientSlot, int>{{10, 2}}));
}

TEST(SubscriptionIndex, LeavingEndsOnlyOnesOwnMembership) {
  SubscriptionIndex index;
  index.join(1, 10, 0);
  index.join(1, 11, 0);
  EXPECT_TRUE(index.leave(1, 10));
  EXPECT_FALSE(index.leave(1, 10));
  EXPECT_TRUE(index.has_members(1));
  EXPECT_TRUE(index.leave(1, 11));
  EXPECT_FALSE(index.has_members(1));
}

TEST(SubscriptionIndex, AgreesWithAModelOverRandomSteps) {
  std::mt19937 random(7);
  SubscriptionIndex index;
  std::map<FilterId, std::map<ClientSlot, int>> model;
  for (int step = 0; step < 100'000; ++step) {
    const auto filter = static_cast<FilterId>(random() % 5);
    const auto client = static_cast<ClientSlot>(random() % 100);
    if (random() % 2) {
      const auto qos = static_cast<std::uint8_t>(random() % 3);
      index.join(filter, client, qos);
      model[filter][client] = qos;
    } else {
      EXPECT_EQ(index.leave(filter, client), model[filter].erase(client) == 1);
    }
    if (step % 100) continue;
    std::map<ClientSlot, int> expected = model[0];
    for (const auto& [slot, qos] : model[1])
      expected[slot] = std::max(expected.contains(slot) ? expected[slot] : 0, qos);
    ASSERT_EQ(recipients(index, {0, 1}), expected);
    ASSERT_EQ(recipients(index, {2}), model[2]);
  }
}

}  // namespace
}  // namespace famemely::gateway
