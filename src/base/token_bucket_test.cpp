#include "base/token_bucket.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace famemely {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1h};

int taken_at(TokenBucket& bucket, Instant now, Rate rate, int tries) {
  int taken = 0;
  for (int i = 0; i < tries; ++i)
    if (!bucket.take(now, rate)) ++taken;
  return taken;
}

TEST(TokenBucket, HoldsTwoSecondsWorth) {
  TokenBucket bucket;
  EXPECT_EQ(taken_at(bucket, kStart, {10}, 100), 20);
}

TEST(TokenBucket, FillsAtItsRate) {
  TokenBucket bucket;
  taken_at(bucket, kStart, {10}, 100);
  EXPECT_EQ(taken_at(bucket, kStart + 99ms, {10}, 100), 0);
  EXPECT_EQ(taken_at(bucket, kStart + 100ms, {10}, 100), 1);
  EXPECT_EQ(taken_at(bucket, kStart + 1100ms, {10}, 100), 10);
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket;
  taken_at(bucket, kStart, {10}, 100);
  EXPECT_EQ(taken_at(bucket, kStart + 1h, {10}, 100), 20);
}

TEST(TokenBucket, SaysWhenToComeAgain) {
  TokenBucket bucket;
  taken_at(bucket, kStart, {1}, 2);
  EXPECT_EQ(bucket.take(kStart + 250ms, {1}), 750ms);
  EXPECT_FALSE(bucket.take(kStart + 1s, {1}));
}

TEST(TokenBucket, OfOneASecondGivesOneASecond) {
  TokenBucket bucket;
  int taken = 0;
  for (Instant now = kStart; now < kStart + 1min; now += 10ms) taken += taken_at(bucket, now, {1}, 3);
  EXPECT_EQ(taken, 61);
}

TEST(TokenBucket, IsFullAgainAfterARest) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.full(kStart));
  taken_at(bucket, kStart, {10}, 5);
  EXPECT_FALSE(bucket.full(kStart));
  EXPECT_TRUE(bucket.full(kStart + 500ms));
}

TEST(TokenBucket, ManyThreadsTakeNoMoreThanThereIs) {
  TokenBucket bucket;
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { taken += taken_at(bucket, kStart, {1000}, 5000); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 2000);
}

}  // namespace
}  // namespace famemely
