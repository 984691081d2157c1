#include "base/allowance.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace famemely {
namespace {

TEST(Allowance, GivesAsManyAsThereMayBe) {
  Allowance allowance;
  EXPECT_TRUE(allowance.take(2));
  EXPECT_TRUE(allowance.take(2));
  EXPECT_FALSE(allowance.take(2));
  EXPECT_EQ(allowance.taken(), 2U);
}

TEST(Allowance, GivesAgainWhatCameBack) {
  Allowance allowance;
  EXPECT_TRUE(allowance.take(1));
  allowance.give_back();
  EXPECT_TRUE(allowance.take(1));
}

TEST(Allowance, ManyThreadsTakeNoMoreThanThereIs) {
  Allowance allowance;
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int tries = 0; tries < 5000; ++tries)
        if (allowance.take(1000)) ++taken;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 1000);
}

}  // namespace
}  // namespace famemely
