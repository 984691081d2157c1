#include "api/user_limiting.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};

class OneUser final : public gateway::UserAccounts {
 public:
  explicit OneUser(gateway::UserLimits limits) : limits_(limits) {}
  [[nodiscard]] const gateway::UserLimits& limits() const override { return limits_; }
  [[nodiscard]] std::shared_ptr<gateway::UserAccount> of(std::string_view, Instant) override { return account_; }

 private:
  gateway::UserLimits limits_;
  std::shared_ptr<gateway::UserAccount> account_ = std::make_shared<gateway::UserAccount>();
};

TEST(UserLimiting, SaysHowManyConnectionsThereMayBeAndCountsTheRefusal) {
  OneUser alice({.connections = 1});
  LimitCounters counters;
  const UserLimiting limiting{&alice, &counters};
  const auto seat = limiting.take_seat("alice", kNow);
  ASSERT_TRUE(seat);
  const auto refused = limiting.take_seat("alice", kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), (Error{ErrorCode::too_many_requests, "Too many connections: a user may have 1"}));
  EXPECT_EQ(counters.of(Limit::connections_per_user), 1U);
}

TEST(UserLimiting, PublishesByRestAndBySocketAreOneRate) {
  OneUser alice({.publishes = Rate{1}});
  LimitCounters counters;
  const UserLimiting limiting{&alice, &counters};
  auto seat = limiting.take_seat("alice", kNow);
  EXPECT_FALSE(seat->publish(kNow));
  EXPECT_FALSE(limiting.refuse_publish("alice", kNow));
  EXPECT_EQ(limiting.refuse_publish("alice", kNow),
            (Error{ErrorCode::too_many_requests, "Too many publishes: a user may send 1 a second"}));
  EXPECT_EQ(counters.of(Limit::publish_rate_per_user), 1U);
}

TEST(UserLimiting, CountsRefusalsThatAreForALimit) {
  LimitCounters counters;
  const UserLimiting limiting{nullptr, &counters};
  limiting.note_refusal({ErrorCode::bad_request, "topic must not be longer than 9 bytes", {}, Limit::topic});
  limiting.note_refusal({ErrorCode::bad_request, "topic must not hold wildcards"});
  EXPECT_EQ(counters.of(Limit::topic), 1U);
}

TEST(UserLimiting, WithoutAccountsNothingIsRefused) {
  const UserLimiting limiting;
  EXPECT_TRUE(limiting.take_seat("alice", kNow));
  EXPECT_FALSE(limiting.refuse_publish("alice", kNow));
}

}  // namespace
}  // namespace famemely::api
