#include "gateway/reconnect_policy.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using std::chrono::milliseconds;

const Instant kStart = Instant{} + std::chrono::hours(1);

class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(std::uint8_t byte) : byte_(byte) {}
  void fill(std::span<std::uint8_t> bytes) override { std::ranges::fill(bytes, byte_); }

 private:
  std::uint8_t byte_;
};

TEST(ReconnectPolicy, TriesAtOnceAfterAConnectionThatLasted) {
  ConstantRandom random(0xFF);
  ReconnectPolicy policy(milliseconds(1000), milliseconds(30000));
  EXPECT_EQ(policy.on_failure(kStart, random), Duration::zero());
  EXPECT_GT(policy.on_failure(kStart, random), Duration::zero());
  policy.on_success(kStart);
  EXPECT_EQ(policy.on_failure(kStart + milliseconds(1000), random), Duration::zero());
}

TEST(ReconnectPolicy, DoesNotHammerABrokerThatDropsItAtOnce) {
  ConstantRandom random(0xFF);
  ReconnectPolicy policy(milliseconds(1000), milliseconds(30000));
  for (int i = 0; i < 3; ++i) {
    policy.on_success(kStart);
    const Duration delay = policy.on_failure(kStart + milliseconds(999), random);
    EXPECT_EQ(delay == Duration::zero(), i == 0);
  }
}

TEST(ReconnectPolicy, DoublesUpToTheMaximum) {
  ConstantRandom random(0xFF);  // nearly one: the whole of each bound
  ReconnectPolicy policy(milliseconds(1000), milliseconds(5000));
  (void)policy.on_failure(kStart, random);
  for (const int expected : {1000, 2000, 4000, 5000, 5000})
    EXPECT_NEAR(std::chrono::duration<double>(policy.on_failure(kStart, random)).count(), expected / 1000.0, 0.001);
  for (int i = 0; i < 100; ++i) EXPECT_LE(policy.on_failure(kStart, random), milliseconds(5000));
}

TEST(ReconnectPolicy, JitterReachesDownToZero) {
  ConstantRandom random(0);
  ReconnectPolicy policy(milliseconds(1000), milliseconds(5000));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(policy.on_failure(kStart, random), Duration::zero());
}

}  // namespace
}  // namespace famemely::gateway
