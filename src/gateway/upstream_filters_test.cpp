#include "gateway/upstream_filters.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace famemely::gateway {
namespace {

using std::chrono::seconds;
const Instant kStart = Instant{} + std::chrono::hours(1);

mqtt::TopicFilter filter(std::string_view text) { return *mqtt::TopicFilter::parse(text); }

/// A table with a broker that grants everything at once.
class UpstreamFiltersTest : public testing::Test {
 protected:
  void ask(WorkerIndex worker, RequestId request, std::string_view text, std::uint8_t qos = 0, Instant now = kStart) {
    filters_.ask({worker, request, filter(text), qos}, now, connected_);
  }

  /// What would be subscribed, as texts with the quality of service; each is granted.
  std::vector<std::string> grant() {
    std::vector<std::string> asked;
    for (const FilterId id : std::exchange(filters_.actions().subscribe, {})) {
      asked.push_back(filters_.filter(id).text() + " " + std::to_string(filters_.qos_to_ask(id)));
      filters_.on_subscribed(id, static_cast<mqtt::ReasonCode>(filters_.qos_to_ask(id)), "");
    }
    return asked;
  }

  std::vector<std::string> unsubscribed() {
    std::vector<std::string> texts;
    for (const auto& each : std::exchange(filters_.actions().unsubscribe, {})) texts.push_back(each.text());
    return texts;
  }

  /// Answers as `worker/request=qos` or `worker/request!status`.
  std::vector<std::string> answers() {
    std::vector<std::string> texts;
    for (auto& [worker, event] : std::exchange(filters_.actions().events, {})) {
      if (const auto* answer = std::get_if<SubscribeAnswer>(&event)) {
        texts.push_back(std::to_string(worker) + "/" + std::to_string(answer->request) +
                        (answer->outcome ? "=" + std::to_string(answer->outcome->qos)
                                         : "!" + std::to_string(answer->outcome.error().status())));
        if (answer->outcome) last_granted_ = answer->outcome->filter;
      } else if (const auto* lost = std::get_if<FilterLost>(&event)) {
        texts.push_back("lost " + std::to_string(lost->error.status()));
      }
    }
    return texts;
  }

  using Texts = std::vector<std::string>;
  UpstreamFilters filters_;
  bool connected_ = true;
  FilterId last_granted_ = 0;
};

TEST_F(UpstreamFiltersTest, SubscribesAFilterOnceForAllWorkers) {
  ask(0, 1, "a/b");
  ask(1, 1, "a/b");
  EXPECT_EQ(grant(), Texts{"a/b 0"});
  EXPECT_EQ(answers(), (Texts{"0/1=0", "1/1=0"}));
  ask(2, 7, "a/b");
  EXPECT_EQ(grant(), Texts{});
  EXPECT_EQ(answers(), Texts{"2/7=0"});
  EXPECT_EQ(filters_.match("a/b").workers, 0b111U);
}

TEST_F(UpstreamFiltersTest, UnsubscribesWhenTheLastWorkerLeaves) {
  ask(0, 1, "a");
  ask(1, 1, "a");
  grant();
  answers();
  filters_.release({0, last_granted_}, true);
  EXPECT_EQ(unsubscribed(), Texts{});
  filters_.release({1, last_granted_}, true);
  EXPECT_EQ(unsubscribed(), Texts{"a"});
  EXPECT_TRUE(filters_.match("a").filters->empty());
}

TEST_F(UpstreamFiltersTest, AHigherQosIsAskedForUnderTheSameNumber) {
  ask(0, 1, "a", 0);
  grant();
  answers();
  const std::uint32_t number = filters_.match("a").leader;
  ask(0, 2, "a", 2);
  EXPECT_EQ(grant(), Texts{"a 2"});
  EXPECT_EQ(answers(), Texts{"0/2=2"});
  EXPECT_EQ(filters_.match("a").leader, number);
}

TEST_F(UpstreamFiltersTest, TheOldestMatchingFilterLeads) {
  ask(0, 1, "s/#");
  ask(1, 1, "s/t");
  grant();
  answers();
  EXPECT_EQ(filters_.match("s/t").leader, 1U);
  EXPECT_EQ(filters_.match("s/t").filters->size(), 2U);
  EXPECT_EQ(filters_.match("s/t").workers, 0b11U);
  EXPECT_EQ(filters_.match("s/u").workers, 0b01U);
}

TEST_F(UpstreamFiltersTest, OverlappingFiltersAreHeldAtTheHighestQos) {
  ask(0, 1, "s/#", 0);
  grant();
  ask(1, 1, "s/t", 2);
  EXPECT_EQ(grant(), (Texts{"s/# 2", "s/t 2"})) << "the older one is raised before the new one is asked for";
  ask(1, 2, "s/+", 1);
  EXPECT_EQ(grant(), Texts{"s/+ 2"});
}

TEST_F(UpstreamFiltersTest, ALeaderThatNobodyHoldsStaysWhileOthersOverlapIt) {
  ask(0, 1, "s/#");
  grant();
  answers();
  const FilterId wide = last_granted_;
  ask(0, 2, "s/t");
  grant();
  answers();
  const FilterId narrow = last_granted_;
  filters_.release({0, wide}, true);
  EXPECT_EQ(unsubscribed(), Texts{});
  EXPECT_EQ(filters_.match("s/t").leader, 1U);
  filters_.release({0, narrow}, true);
  Texts gone = unsubscribed();
  std::ranges::sort(gone);
  EXPECT_EQ(gone, (Texts{"s/#", "s/t"}));
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(UpstreamFiltersTest, ARefusalIsTheAskersAloneAndIsNotKept) {
  ask(0, 1, "secret");
  const FilterId id = filters_.actions().subscribe.front();
  filters_.on_subscribed(id, mqtt::ReasonCode::not_authorized, "");
  EXPECT_EQ(answers(), Texts{"0/1!403"});
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(UpstreamFiltersTest, AnAskWaitsForTheBrokerTenSeconds) {
  connected_ = false;
  ask(0, 1, "a");
  EXPECT_EQ(grant(), Texts{});
  EXPECT_EQ(filters_.next_deadline(), kStart + seconds(10));
  ask(0, 2, "b", 0, kStart + seconds(5));
  filters_.expire(kStart + seconds(10), false);
  EXPECT_EQ(answers(), Texts{"0/1!503"});
  filters_.on_connected(false);
  EXPECT_EQ(grant(), Texts{"b 0"});
  EXPECT_EQ(answers(), Texts{"0/2=0"});
}

TEST_F(UpstreamFiltersTest, ALostSessionIsAskedForAgainInTheOldOrder) {
  ask(0, 1, "a");
  ask(0, 2, "b");
  grant();
  answers();
  filters_.on_disconnected();
  filters_.on_connected(false);
  EXPECT_EQ(grant(), (Texts{"a 0", "b 0"}));
  EXPECT_EQ(filters_.match("a").leader, 1U);
  EXPECT_EQ(filters_.match("b").leader, 2U);
  EXPECT_EQ(filters_.match("a").workers, 1U) << "those who held it hold it still";
}

TEST_F(UpstreamFiltersTest, AResumedSessionIsAskedForNothing) {
  ask(0, 1, "a");
  grant();
  filters_.on_disconnected();
  filters_.on_connected(true);
  EXPECT_EQ(grant(), Texts{});
}

TEST_F(UpstreamFiltersTest, WhatIsRefusedLaterIsTakenFromItsHolders) {
  ask(0, 1, "a");
  grant();
  answers();
  filters_.on_disconnected();
  filters_.on_connected(false);
  const FilterId id = filters_.actions().subscribe.front();
  filters_.on_subscribed(id, mqtt::ReasonCode::quota_exceeded, "");
  EXPECT_EQ(answers(), Texts{"lost 502"});
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(UpstreamFiltersTest, LeavingWhileTheBrokerIsAwayIsDoneOnTheNextConnection) {
  ask(0, 1, "a");
  grant();
  answers();
  filters_.on_disconnected();
  filters_.release({0, last_granted_}, false);
  filters_.on_connected(true);
  EXPECT_EQ(unsubscribed(), Texts{"a"});
}

TEST_F(UpstreamFiltersTest, ATopicThatNobodyHoldsMatchesNothing) {
  ask(0, 1, "a/+");
  grant();
  EXPECT_TRUE(filters_.match("b").filters->empty());
  EXPECT_EQ(filters_.match("b").leader, 0U);
}

}  // namespace
}  // namespace famemely::gateway
