#include "serving/accounts.hpp"

#include <gtest/gtest.h>

namespace famemely::serving {
namespace {

using namespace std::chrono_literals;

struct Note {
  Instant until{};
  [[nodiscard]] bool empty(Instant now) const { return now >= until; }
};

constexpr Instant kNow{1h};

TEST(Accounts, TheSameNameIsTheSameAccount) {
  Accounts<Note> accounts;
  const auto one = accounts.of("a", kNow);
  EXPECT_EQ(accounts.of("a", kNow), one);
  EXPECT_NE(accounts.of("b", kNow), one);
}

TEST(Accounts, WhatNobodyHoldsGoesInTime) {
  Accounts<Note> accounts;
  for (int i = 0; i < 20'000; ++i) (void)accounts.of(std::to_string(i), kNow);
  EXPECT_LE(accounts.size(), Accounts<Note>::kShards * Accounts<Note>::kSweepFrom);
}

TEST(Accounts, WhatIsHeldOrNotEmptyStays) {
  Accounts<Note> accounts;
  const auto held = accounts.of("held", kNow);
  accounts.of("busy", kNow)->until = kNow + 1s;
  const Note* busy = accounts.of("busy", kNow).get();
  for (int i = 0; i < 20'000; ++i) (void)accounts.of(std::to_string(i), kNow);
  EXPECT_EQ(accounts.of("held", kNow), held);
  EXPECT_EQ(accounts.of("busy", kNow).get(), busy);
  EXPECT_FALSE(accounts.of("busy", kNow)->empty(kNow));
}

TEST(Accounts, PastTheirBoundNewcomersShareOne) {
  constexpr std::size_t kShardMax = 100;
  Accounts<Note> accounts(kShardMax);
  for (int i = 0; i < 20'000; ++i) accounts.of(std::to_string(i), kNow)->until = kNow + 1h;
  EXPECT_EQ(accounts.size(), Accounts<Note>::kShards * kShardMax);
  EXPECT_TRUE(accounts.of("one more", kNow));
}

}  // namespace
}  // namespace famemely::serving
