#include "gateway/snapshot.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

namespace famemely::gateway {
namespace {

TEST(Snapshot, IsKeptByWhoeverHasReadIt) {
  Snapshot<int> snapshot(std::make_shared<const int>(1));
  const auto before = snapshot.load();
  snapshot.store(std::make_shared<const int>(2));
  EXPECT_EQ(*before, 1);
  EXPECT_EQ(*snapshot.load(), 2);
}

TEST(Snapshot, IsAlwaysWhole) {
  using Pair = std::pair<int, int>;
  Snapshot<Pair> snapshot(std::make_shared<const Pair>(0, 0));
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  readers.reserve(2);
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      while (!done) {
        const auto pair = snapshot.load();
        ASSERT_EQ(pair->first, pair->second);
      }
    });
  for (int i = 0; i < 20'000; ++i) snapshot.store(std::make_shared<const Pair>(i, i));
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace famemely::gateway
