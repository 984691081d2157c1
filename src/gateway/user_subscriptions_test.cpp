#include "gateway/user_subscriptions.hpp"

#include <gtest/gtest.h>

#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using Texts = std::vector<std::string>;

/// Users of a table of filters whose broker grants everything at once, or nothing.
class UserSubscriptionsTest : public ::testing::Test {
 protected:
  explicit UserSubscriptionsTest(UserAccounts* accounts = nullptr, LimitCounters* counters = nullptr)
      : users_(filters_, random_, accounts, counters) {
    filters_.on_connected(0, false);
  }

  void subscribe(WorkerIndex worker, const std::string& user, std::string_view filter, std::uint8_t qos = 0) {
    ask(worker, user, filter, qos);
    settle();
  }
  /// Without an answer yet.
  void ask(WorkerIndex worker, const std::string& user, std::string_view filter, std::uint8_t qos = 0) {
    users_.subscribe({worker, ++request_, user, *mqtt::TopicFilter::parse(filter), qos}, now_);
  }
  void unsubscribe(WorkerIndex worker, const std::string& user, std::string_view filter) {
    users_.unsubscribe({worker, ++request_, user, *mqtt::TopicFilter::parse(filter)});
  }
  void presence(WorkerIndex worker, const std::string& user, bool present) {
    users_.on_presence({worker, user, present});
    settle();
  }

  void settle() {
    for (bool again = true; again;) {
      again = false;
      for (const auto& action : std::exchange(filters_.actions().upstream, {})) {
        again = true;
        if (const auto* gone = std::get_if<UpstreamFilters::Unsubscribe>(&action)) {
          upstream_.push_back("-" + gone->filter.text());
          continue;
        }
        const FilterId id = std::get<UpstreamFilters::Subscribe>(action).id;
        upstream_.push_back(filters_.filter(id).text());
        filters_.on_subscribed(
            id, refuses_ ? mqtt::ReasonCode::not_authorized : static_cast<mqtt::ReasonCode>(filters_.qos_to_ask(id)),
            "");
      }
      for (auto& [worker, event] : std::exchange(filters_.actions().events, {}))
        if (worker == kLink) users_.on_answer(std::get<SubscribeAnswer>(event), WallTime{});
    }
  }

  /// What the workers are told, as `worker: what`.
  Texts told() {
    Texts texts;
    for (const auto& [worker, event] : std::exchange(users_.events(), {})) {
      std::string text = std::to_string(worker) + ": ";
      if (const auto* subscribed = std::get_if<UserSubscribed>(&event)) {
        text += "holds " + subscribed->subscription->filter.text();
      } else if (const auto* left = std::get_if<UserUnsubscribed>(&event)) {
        text += "leaves " + left->subscription->filter.text();
      } else if (const auto* answer = std::get_if<UserSubscribeAnswer>(&event)) {
        text += answer->outcome ? "granted " + std::to_string((*answer->outcome)->qos)
                                : "refused " + std::to_string(answer->outcome.error().status());
        if (answer->outcome) last_id_ = (*answer->outcome)->id;
      } else if (const auto* gone = std::get_if<UserUnsubscribeAnswer>(&event)) {
        text += gone->error ? std::to_string(gone->error->status()) : "done";
      } else if (const auto* refused = std::get_if<UserSubscriptionRefused>(&event)) {
        text += "loses " + refused->subscription->filter.text();
      }
      texts.push_back(text);
    }
    return texts;
  }
  Texts upstream() { return std::exchange(upstream_, {}); }

  testing::SeededRandom random_;
  UpstreamFilters filters_;
  UserSubscriptions users_;
  Instant now_ = Instant{} + std::chrono::hours(1);
  RequestId request_ = 0;
  bool refuses_ = false;
  Texts upstream_;
  std::string last_id_;
};

TEST_F(UserSubscriptionsTest, TheBrokerIsAskedThoughNobodyListens) {
  subscribe(0, "anna", "a/#", 1);
  EXPECT_EQ(told(), Texts{"0: granted 1"});
  EXPECT_EQ(upstream(), (Texts{"a/#", "-a/#"})) << "held only while the user has a socket";
}

TEST_F(UserSubscriptionsTest, EveryWorkerWithASocketHoldsItBeforeTheAnswer) {
  presence(1, "anna", true);
  presence(2, "anna", true);
  presence(2, "ben", true);
  subscribe(0, "anna", "a");
  EXPECT_EQ(told(), (Texts{"1: holds a", "2: holds a", "0: granted 0"}));
  EXPECT_EQ(upstream(), Texts{"a"});
  EXPECT_EQ(filters_.match("a").workers, 0b110U);
}

TEST_F(UserSubscriptionsTest, ALaterSocketGetsIt) {
  subscribe(0, "anna", "a");
  (void)told();
  (void)upstream();
  presence(3, "anna", true);
  EXPECT_EQ(told(), Texts{"3: holds a"});
  EXPECT_EQ(upstream(), Texts{"a"});
}

TEST_F(UserSubscriptionsTest, SubscribingAgainKeepsTheId) {
  subscribe(0, "anna", "a", 0);
  (void)told();
  const std::string id = last_id_;
  subscribe(0, "anna", "a", 2);
  EXPECT_EQ(told(), Texts{"0: granted 2"});
  EXPECT_EQ(last_id_, id);
  subscribe(0, "ben", "a", 0);
  (void)told();
  EXPECT_NE(last_id_, id);
}

TEST_F(UserSubscriptionsTest, EndsForAllWorkers) {
  presence(1, "anna", true);
  subscribe(0, "anna", "a");
  (void)told();
  unsubscribe(0, "anna", "a");
  EXPECT_EQ(told(), (Texts{"1: leaves a", "0: done"}));
  unsubscribe(0, "anna", "a");
  EXPECT_EQ(told(), Texts{"0: 404"});
  unsubscribe(0, "nobody", "a");
  EXPECT_EQ(told(), Texts{"0: 404"});
}

TEST_F(UserSubscriptionsTest, ARefusalIsAnsweredAndNotKept) {
  refuses_ = true;
  subscribe(0, "anna", "secret");
  EXPECT_EQ(told(), Texts{"0: refused 403"});
  unsubscribe(0, "anna", "secret");
  EXPECT_EQ(told(), Texts{"0: 404"});
}

TEST_F(UserSubscriptionsTest, ALaterRefusalIsToldToTheWorkerAndTheSubscriptionStays) {
  subscribe(0, "anna", "a");
  (void)told();
  refuses_ = true;
  presence(1, "anna", true);
  EXPECT_EQ(told(), Texts{"1: loses a"});
  presence(1, "anna", false);
  refuses_ = false;
  presence(1, "anna", true);
  EXPECT_EQ(told(), Texts{"1: holds a"});
}

TEST_F(UserSubscriptionsTest, AreListedByUser) {
  subscribe(0, "anna", "a");
  subscribe(0, "ben", "b");
  Survey of_anna;
  users_.add_to(of_anna, {.subscriptions = true, .user_id = "anna"});
  ASSERT_EQ(of_anna.subscriptions.size(), 1U);
  EXPECT_EQ(of_anna.subscriptions[0].topic, "a");
  Survey of_all;
  users_.add_to(of_all, {});
  EXPECT_EQ(of_all.subscription_count, 2U);
  EXPECT_TRUE(of_all.subscriptions.empty()) << "only their number was asked for";
}

class OneAccount final : public UserAccounts {
 public:
  explicit OneAccount(UserLimits limits) : limits_(limits) {}
  [[nodiscard]] const UserLimits& limits() const override { return limits_; }
  [[nodiscard]] std::shared_ptr<UserAccount> of(std::string_view, Instant) override { return account; }

  std::shared_ptr<UserAccount> account = std::make_shared<UserAccount>();

 private:
  UserLimits limits_;
};

struct Counted {
  OneAccount accounts_{{.subscriptions = 2}};
  LimitCounters counters_;
};

class LimitedUserSubscriptionsTest : protected Counted, public UserSubscriptionsTest {
 protected:
  LimitedUserSubscriptionsTest() : UserSubscriptionsTest(&accounts_, &counters_) {}
};

TEST_F(LimitedUserSubscriptionsTest, ThereAreSoManyOfAUser) {
  for (const char* filter : {"a", "b", "c"}) subscribe(0, "alice", filter);
  EXPECT_EQ(told(), (Texts{"0: granted 0", "0: granted 0", "0: refused 429"}));
  EXPECT_EQ(counters_.of(Limit::subscriptions_per_user), 1U);
  unsubscribe(0, "alice", "a");
  subscribe(0, "alice", "c");
  EXPECT_EQ(told(), (Texts{"0: done", "0: granted 0"}));
}

TEST_F(LimitedUserSubscriptionsTest, TheSameAgainIsNoneMore) {
  for (int i = 0; i < 5; ++i) subscribe(0, "alice", "a");
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 1U);
}

TEST_F(LimitedUserSubscriptionsTest, WhatEndsWhileItIsAskedForAgainIsCountedAgain) {
  for (const char* filter : {"a", "b"}) subscribe(0, "alice", filter);
  ask(0, "alice", "a");
  unsubscribe(0, "alice", "a");
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 1U);
  settle();
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 2U);
  subscribe(0, "alice", "c");
  EXPECT_EQ(told(), (Texts{"0: granted 0", "0: granted 0", "0: done", "0: granted 0", "0: refused 429"}));
  for (const char* filter : {"a", "b"}) unsubscribe(0, "alice", filter);
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 0U);
}

TEST_F(LimitedUserSubscriptionsTest, ThereMayBeNoPlaceForItAnyMore) {
  for (const char* filter : {"a", "b"}) subscribe(0, "alice", filter);
  ask(0, "alice", "a");
  unsubscribe(0, "alice", "a");
  ask(0, "alice", "c");
  std::ignore = told();
  settle();
  EXPECT_EQ(told(), (Texts{"0: refused 429", "0: granted 0"}));
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 2U);
  for (const char* filter : {"b", "c"}) unsubscribe(0, "alice", filter);
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 0U);
}

TEST_F(LimitedUserSubscriptionsTest, WhatTheBrokerRefusesIsNotCounted) {
  refuses_ = true;
  for (int i = 0; i < 5; ++i) subscribe(0, "alice", "a");
  EXPECT_EQ(accounts_.account->subscriptions.taken(), 0U);
}

}  // namespace
}  // namespace famemely::gateway
