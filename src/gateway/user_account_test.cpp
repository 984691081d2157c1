#include "gateway/user_account.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

namespace famemely::gateway {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow{1h};

class Book final : public UserAccounts {
 public:
  explicit Book(UserLimits limits) : limits_(limits) {}
  [[nodiscard]] const UserLimits& limits() const override { return limits_; }
  [[nodiscard]] std::shared_ptr<UserAccount> of(std::string_view user_id, Instant) override {
    auto& account = accounts_[std::string(user_id)];
    if (!account) account = std::make_shared<UserAccount>();
    return account;
  }

 private:
  UserLimits limits_;
  std::map<std::string, std::shared_ptr<UserAccount>> accounts_;
};

TEST(UserAccount, IsEmptyOnceNothingOfItIsInUse) {
  UserAccount account;
  EXPECT_TRUE(account.empty(kNow));
  EXPECT_TRUE(account.subscriptions.take(5));
  EXPECT_FALSE(account.empty(kNow));
  account.subscriptions.give_back();
  EXPECT_FALSE(account.publishes.take(kNow, {1}));
  EXPECT_FALSE(account.empty(kNow));
  EXPECT_TRUE(account.empty(kNow + 1s));
}

TEST(UserSeat, ThereAreAsManyAsTheUserMayHaveConnections) {
  Book book({.connections = 2});
  const auto one = UserSeat::take(&book, "alice", kNow);
  auto two = UserSeat::take(&book, "alice", kNow);
  EXPECT_FALSE(UserSeat::take(&book, "alice", kNow));
  EXPECT_TRUE(UserSeat::take(&book, "bob", kNow));
  two.reset();
  EXPECT_TRUE(UserSeat::take(&book, "alice", kNow));
}

TEST(UserSeat, AMovedOneCountsOnce) {
  Book book({.connections = 1});
  auto seat = UserSeat::take(&book, "alice", kNow);
  UserSeat moved = std::exchange(seat, std::nullopt).value();
  EXPECT_FALSE(UserSeat::take(&book, "alice", kNow));
  moved = UserSeat();
  EXPECT_TRUE(UserSeat::take(&book, "alice", kNow));
}

TEST(UserSeat, SubscriptionsOfAllSocketsCountTogether) {
  Book book({.subscriptions = 3});
  auto one = UserSeat::take(&book, "alice", kNow);
  auto two = UserSeat::take(&book, "alice", kNow);
  EXPECT_TRUE(one->add_subscription());
  EXPECT_TRUE(one->add_subscription());
  EXPECT_TRUE(two->add_subscription());
  EXPECT_FALSE(two->add_subscription());
  one->keep_subscriptions(1);
  EXPECT_TRUE(two->add_subscription());
  one.reset();
  EXPECT_TRUE(two->add_subscription());
  EXPECT_FALSE(two->add_subscription());
}

TEST(UserSeat, PublishesOfAllSocketsCountTogether) {
  Book book({.publishes = Rate{1}});
  auto one = UserSeat::take(&book, "alice", kNow);
  auto two = UserSeat::take(&book, "alice", kNow);
  EXPECT_FALSE(one->publish(kNow));
  EXPECT_FALSE(two->publish(kNow));
  EXPECT_EQ(one->publish(kNow), 1s);
  EXPECT_FALSE(one->publish(kNow + 1s));
}

TEST(UserSeat, WithoutLimitsEverythingPasses) {
  Book book({});
  for (UserAccounts* accounts : {static_cast<UserAccounts*>(&book), static_cast<UserAccounts*>(nullptr)}) {
    auto seat = UserSeat::take(accounts, "alice", kNow);
    ASSERT_TRUE(seat);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(seat->add_subscription());
      EXPECT_FALSE(seat->publish(kNow));
    }
  }
}

}  // namespace
}  // namespace famemely::gateway
