#include "gateway/reconnect_policy.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using std::chrono::milliseconds;

class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(std::uint8_t byte) : byte_(byte) {}
  void fill(std::span<std::uint8_t> bytes) override { std::ranges::fill(bytes, byte_); }

 private:
  std::uint8_t byte_;
};

TEST(ReconnectPolicy, TriesAtOnceAfterAConnectionThatWorked) {
  ConstantRandom random(0xFF);
  ReconnectPolicy policy(milliseconds(1000), milliseconds(30000));
  EXPECT_EQ(policy.on_failure(random), Duration::zero());
  EXPECT_GT(policy.on_failure(random), Duration::zero());
  policy.on_success();
  EXPECT_EQ(policy.on_failure(random), Duration::zero());
}

TEST(ReconnectPolicy, DoublesUpToTheMaximum) {
  ConstantRandom random(0xFF);  // nearly one: the whole of each bound
  ReconnectPolicy policy(milliseconds(1000), milliseconds(5000));
  (void)policy.on_failure(random);
  for (const int expected : {1000, 2000, 4000, 5000, 5000})
    EXPECT_NEAR(std::chrono::duration<double>(policy.on_failure(random)).count(), expected / 1000.0, 0.001);
  for (int i = 0; i < 100; ++i) EXPECT_LE(policy.on_failure(random), milliseconds(5000));
}

TEST(ReconnectPolicy, JitterReachesDownToZero) {
  ConstantRandom random(0);
  ReconnectPolicy policy(milliseconds(1000), milliseconds(5000));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(policy.on_failure(random), Duration::zero());
}

}  // namespace
}  // namespace famemely::gateway
