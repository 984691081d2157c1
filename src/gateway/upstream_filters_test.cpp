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
  UpstreamFiltersTest() { filters_.on_connected(0, false); }

  void ask(WorkerIndex worker, RequestId request, std::string_view text, std::uint8_t qos = 0, Instant now = kStart) {
    filters_.ask({worker, request, filter(text), qos}, now + UpstreamFilters::kAskTimeout);
  }
  void release(WorkerIndex worker, FilterId id) { filters_.release({worker, id, last_seen_}); }
  [[nodiscard]] std::uint32_t leader(std::string_view topic) { return filters_.match(topic).leader_before.number; }

  /// What goes to the broker: `filter qos` for each SUBSCRIBE, `-filter` for each UNSUBSCRIBE. Everything is granted.
  std::vector<std::string> grant() {
    std::vector<std::string> asked;
    for (const auto& action : std::exchange(filters_.actions().upstream, {})) {
      if (const auto* gone = std::get_if<UpstreamFilters::Unsubscribe>(&action)) {
        asked.push_back("-" + gone->filter.text());
        continue;
      }
      const FilterId id = std::get<UpstreamFilters::Subscribe>(action).id;
      asked.push_back(filters_.filter(id).text() + " " + std::to_string(filters_.qos_to_ask(id)));
      filters_.on_subscribed(id, static_cast<mqtt::ReasonCode>(filters_.qos_to_ask(id)), "");
    }
    return asked;
  }
  /// The filter that the next SUBSCRIBE is for.
  FilterId asked_first() { return std::get<UpstreamFilters::Subscribe>(filters_.actions().upstream.front()).id; }

  /// Answers as `worker/request=qos` or `worker/request!status`.
  std::vector<std::string> answers() {
    std::vector<std::string> texts;
    for (auto& [worker, event] : std::exchange(filters_.actions().events, {})) {
      if (const auto* answer = std::get_if<SubscribeAnswer>(&event)) {
        texts.push_back(std::to_string(worker) + "/" + std::to_string(answer->request) +
                        (answer->outcome ? "=" + std::to_string(answer->outcome->qos)
                                         : "!" + std::to_string(answer->outcome.error().status())));
        if (answer->outcome) {
          last_granted_ = answer->outcome->filter;
          last_seen_ = answer->outcome->number;
        }
      } else if (const auto* lost = std::get_if<FilterLost>(&event)) {
        texts.push_back("lost " + std::to_string(lost->error.status()));
      }
    }
    return texts;
  }

  using Texts = std::vector<std::string>;
  UpstreamFilters filters_;
  FilterId last_granted_ = 0;
  GrantNumber last_seen_ = 0;
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
  release(0, last_granted_);
  EXPECT_EQ(grant(), Texts{});
  release(1, last_granted_);
  EXPECT_EQ(grant(), Texts{"-a"});
  EXPECT_TRUE(filters_.match("a").matched->filters.empty());
}

TEST_F(UpstreamFiltersTest, AHigherQosIsAskedForUnderTheSameNumber) {
  ask(0, 1, "a", 0);
  grant();
  answers();
  const std::uint32_t number = leader("a");
  ask(0, 2, "a", 2);
  EXPECT_EQ(grant(), Texts{"a 2"});
  EXPECT_EQ(answers(), Texts{"0/2=2"});
  EXPECT_EQ(leader("a"), number);
}

TEST_F(UpstreamFiltersTest, TheOldestMatchingFilterLeads) {
  ask(0, 1, "s/#");
  ask(1, 1, "s/t");
  grant();
  answers();
  EXPECT_EQ(leader("s/t"), 1U);
  EXPECT_EQ(filters_.match("s/t").matched->filters.size(), 2U);
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

TEST_F(UpstreamFiltersTest, RaisingOneFilterRaisesAllThatAreTiedToIt) {
  ask(0, 1, "a/+", 0);
  ask(0, 2, "+/b", 0);
  grant();
  ask(0, 3, "a/c", 1);  // overlaps the first alone, which overlaps the second
  EXPECT_EQ(grant(), (Texts{"a/+ 1", "+/b 1", "a/c 1"}));
}

TEST_F(UpstreamFiltersTest, GivingUpAndAskingAgainInOneTurnKeepsTheOrder) {
  ask(0, 1, "a");
  grant();
  answers();
  release(0, last_granted_);
  ask(0, 2, "a");
  EXPECT_EQ(grant(), (Texts{"-a", "a 0"}));
}

TEST_F(UpstreamFiltersTest, AReleaseDoesNotCountWhileAGrantIsOnItsWay) {
  ask(0, 1, "a");
  grant();
  answers();
  const GrantNumber on_its_way = filters_.hold(last_granted_, 0, 0).number;
  release(0, last_granted_);
  EXPECT_EQ(filters_.match("a").workers, 1U);
  last_seen_ = on_its_way;
  release(0, last_granted_);
  EXPECT_EQ(grant(), Texts{"-a"});
}

/// `s/#` of worker 0, older than `s/t` of worker 1; the older one is left.
class GivingUpTest : public UpstreamFiltersTest {
 protected:
  GivingUpTest() {
    ask(0, 1, "s/#");
    grant();
    answers();
    wide_ = last_granted_;
    ask(1, 2, "s/t");
    grant();
    answers();
    narrow_ = last_granted_;
    release(0, wide_);
  }
  std::uint32_t before() { return filters_.match("s/t").leader_before.number; }
  std::uint32_t after() { return filters_.match("s/t").leader_after.number; }

  FilterId wide_;
  FilterId narrow_;
};

TEST_F(GivingUpTest, ALeaderGoesOnUntilTheFence) {
  EXPECT_EQ(grant(), Texts{});
  ASSERT_TRUE(filters_.wants_round());
  ASSERT_TRUE(filters_.begin_round());
  EXPECT_EQ(before(), 1U);
  EXPECT_EQ(after(), 2U);
  filters_.on_fence();
  EXPECT_EQ(grant(), Texts{});
  filters_.end_round();
  EXPECT_EQ(grant(), Texts{"-s/#"});
  EXPECT_EQ(before(), 2U);
  EXPECT_FALSE(filters_.wants_round());
}

TEST_F(GivingUpTest, WhoComesBackBeforeTheFirstFenceKeepsTheFilter) {
  ASSERT_TRUE(filters_.begin_round());
  ask(0, 3, "s/#");
  EXPECT_EQ(answers(), Texts{"0/3=0"});
  filters_.on_fence();
  filters_.end_round();
  EXPECT_EQ(grant(), Texts{});
  EXPECT_EQ(before(), 1U);
}

TEST_F(GivingUpTest, WhoComesBackAfterItWaitsAndGetsANewNumber) {
  ASSERT_TRUE(filters_.begin_round());
  filters_.on_fence();
  ask(0, 3, "s/#");
  EXPECT_EQ(answers(), Texts{});
  filters_.end_round();
  EXPECT_EQ(grant(), (Texts{"-s/#", "s/# 0"}));
  EXPECT_EQ(answers(), Texts{"0/3=0"});
  EXPECT_EQ(filters_.number(last_granted_), 3U);
  EXPECT_EQ(before(), 2U);
}

TEST_F(GivingUpTest, NothingIsToBeGivenUpOnceTheOthersHaveGone) {
  release(1, narrow_);
  Texts gone = grant();
  std::ranges::sort(gone);
  EXPECT_EQ(gone, (Texts{"-s/#", "-s/t"}));
  EXPECT_FALSE(filters_.wants_round());
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(GivingUpTest, FiltersThatOverlapEachOtherGoInDifferentRounds) {
  ask(0, 4, "s/+");
  grant();
  answers();
  const FilterId middle = last_granted_;
  ask(2, 5, "#");
  grant();
  answers();
  release(1, narrow_);
  release(0, middle);
  ASSERT_TRUE(filters_.begin_round());
  filters_.on_fence();
  filters_.end_round();
  EXPECT_EQ(grant(), Texts{"-s/#"});
  EXPECT_TRUE(filters_.wants_round());
}

TEST_F(GivingUpTest, ALostSessionForgetsIt) {
  filters_.on_disconnected(0);
  filters_.on_connected(0, false);
  EXPECT_EQ(grant(), Texts{"s/t 0"});
  EXPECT_FALSE(filters_.wants_round());
}

TEST_F(GivingUpTest, TheYoungestOfAllGoesAtOnce) {
  ask(2, 3, "s/+");
  grant();
  answers();
  release(2, last_granted_);
  EXPECT_EQ(grant(), Texts{"-s/+"});
}

TEST_F(UpstreamFiltersTest, ARefusalIsTheAskersAloneAndIsNotKept) {
  ask(0, 1, "secret");
  const FilterId id = asked_first();
  filters_.on_subscribed(id, mqtt::ReasonCode::not_authorized, "");
  EXPECT_EQ(answers(), Texts{"0/1!403"});
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(UpstreamFiltersTest, AnAskWaitsForTheBrokerTenSeconds) {
  filters_.on_disconnected(0);
  ask(0, 1, "a");
  EXPECT_EQ(grant(), Texts{});
  EXPECT_EQ(filters_.next_deadline(), kStart + seconds(10));
  ask(0, 2, "b", 0, kStart + seconds(5));
  filters_.expire(kStart + seconds(10));
  EXPECT_EQ(answers(), Texts{"0/1!503"});
  filters_.on_connected(0, false);
  EXPECT_EQ(grant(), Texts{"b 0"});
  EXPECT_EQ(answers(), Texts{"0/2=0"});
}

TEST_F(UpstreamFiltersTest, ALostSessionIsAskedForAgainInTheOldOrder) {
  ask(0, 1, "a");
  ask(0, 2, "b");
  grant();
  answers();
  filters_.on_disconnected(0);
  filters_.on_connected(0, false);
  EXPECT_EQ(grant(), (Texts{"a 0", "b 0"}));
  EXPECT_EQ(leader("a"), 1U);
  EXPECT_EQ(leader("b"), 2U);
  EXPECT_EQ(filters_.match("a").workers, 1U) << "those who held it hold it still";
}

TEST_F(UpstreamFiltersTest, AResumedSessionIsAskedForNothing) {
  ask(0, 1, "a");
  grant();
  filters_.on_disconnected(0);
  filters_.on_connected(0, true);
  EXPECT_EQ(grant(), Texts{});
}

TEST_F(UpstreamFiltersTest, WhatIsRefusedLaterIsTakenFromItsHolders) {
  ask(0, 1, "a");
  grant();
  answers();
  filters_.on_disconnected(0);
  filters_.on_connected(0, false);
  const FilterId id = asked_first();
  filters_.on_subscribed(id, mqtt::ReasonCode::quota_exceeded, "");
  EXPECT_EQ(answers(), Texts{"lost 502"});
  EXPECT_EQ(filters_.size(), 0U);
}

TEST_F(UpstreamFiltersTest, LeavingWhileTheBrokerIsAwayIsDoneOnTheNextConnection) {
  ask(0, 1, "a");
  grant();
  answers();
  filters_.on_disconnected(0);
  release(0, last_granted_);
  filters_.on_connected(0, true);
  EXPECT_EQ(grant(), Texts{"-a"});
}

TEST_F(UpstreamFiltersTest, ATopicThatNobodyHoldsMatchesNothing) {
  ask(0, 1, "a/+");
  grant();
  EXPECT_TRUE(filters_.match("b").matched->filters.empty());
  EXPECT_EQ(leader("b"), 0U);
}

/// A broker that tells no subscription identifiers.
class LanesTest : public UpstreamFiltersTest {
 protected:
  LanesTest() {
    filters_.set_numbered(false);
    for (LaneIndex lane = 1; lane < UpstreamFilters::kLanesMax; ++lane) filters_.on_connected(lane, false);
  }
  FilterId held(std::string_view text) { return filters_.find(std::string(text)).value(); }
  LaneIndex lane(std::string_view text) { return filters_.lane(held(text)); }
};

TEST_F(LanesTest, FiltersThatDoNotOverlapShareTheFirst) {
  ask(0, 1, "a/+");
  ask(0, 2, "b/+");
  EXPECT_EQ(lane("a/+"), 0);
  EXPECT_EQ(lane("b/+"), 0);
  EXPECT_EQ(filters_.lanes_wanted(), 1);
}

TEST_F(LanesTest, AFilterGetsTheFirstLaneThatIsFreeForIt) {
  ask(0, 1, "a/#");
  ask(0, 2, "a/+");
  ask(0, 3, "b");
  ask(0, 4, "a/b/c");
  EXPECT_EQ(lane("a/+"), 1);
  EXPECT_EQ(lane("b"), 0);
  EXPECT_EQ(lane("a/b/c"), 1) << "overlaps a/# alone";
  EXPECT_EQ(filters_.lanes_wanted(), 2);
}

TEST_F(LanesTest, ASubscribeWaitsForTheOlderOnesThatOverlapIt) {
  ask(0, 1, "a/#");
  const FilterId older = held("a/#");
  ask(0, 2, "a/b");
  ASSERT_EQ(filters_.actions().upstream.size(), 1U);
  EXPECT_EQ(asked_first(), older);
  filters_.actions().upstream.clear();
  filters_.on_subscribed(older, mqtt::ReasonCode::success, "");
  EXPECT_EQ(grant(), Texts{"a/b 0"});
  EXPECT_EQ(answers(), (Texts{"0/1=0", "0/2=0"}));
}

TEST_F(LanesTest, ASubscribeGoesOnWhenTheOlderOneIsRefused) {
  ask(0, 1, "a/#");
  ask(0, 2, "a/b");
  filters_.actions().upstream.clear();
  filters_.on_subscribed(held("a/#"), mqtt::ReasonCode::not_authorized, "");
  EXPECT_EQ(grant(), Texts{"a/b 0"});
}

TEST_F(LanesTest, AFilterThatWaitsForTheRoundIsNotAskedForWhenItsElderIsGranted) {
  ask(0, 1, "+/b", 2);
  grant();
  ask(0, 2, "c/b", 2);
  grant();
  answers();
  release(0, held("+/b"));
  ASSERT_TRUE(filters_.begin_round());
  ask(0, 3, "d", 0);
  ask(0, 4, "#", 0);  // with it `d` is tied to the others, and has to be raised
  EXPECT_EQ(grant(), Texts{"d 0"});
  EXPECT_EQ(grant(), Texts{});
  filters_.on_fence();
  filters_.end_round();
  EXPECT_EQ(grant(), (Texts{"-+/b", "d 2"}));
  EXPECT_EQ(grant(), Texts{"# 2"});
}

TEST_F(LanesTest, TheLeadersLaneIsTold) {
  ask(0, 1, "a/#");
  grant();
  ask(0, 2, "a/b");
  grant();
  EXPECT_EQ(filters_.match("a/b").leader_before.lane, 0);
  answers();
  release(0, held("a/#"));
  ASSERT_TRUE(filters_.begin_round());
  EXPECT_EQ(filters_.match("a/b").leader_before.lane, 0);
  EXPECT_EQ(filters_.match("a/b").leader_after.lane, 1);
}

TEST_F(LanesTest, ThereAreEightOfThem) {
  std::string text = "#";
  for (RequestId request = 1; request <= 9; ++request) {
    ask(0, request, text);
    grant();
    text.insert(0, "+/");
  }
  const Texts told = answers();
  ASSERT_EQ(told.size(), 9U);
  EXPECT_EQ(told[7], "0/8=0");
  EXPECT_EQ(told[8], "0/9!503");
  EXPECT_EQ(filters_.size(), 8U);
}

TEST_F(LanesTest, ALostSessionOfOneLaneConcernsItAlone) {
  ask(0, 1, "a/#");
  grant();
  ask(0, 2, "a/b");
  grant();
  filters_.on_disconnected(1);
  filters_.on_connected(1, false);
  EXPECT_EQ(grant(), Texts{"a/b 0"});
  EXPECT_EQ(leader("a/b"), 1U);
}

TEST_F(LanesTest, ABrokerThatTellsIdentifiersNeedsOne) {
  ask(0, 1, "a/#");
  grant();
  ask(0, 2, "a/b");
  grant();
  filters_.on_disconnected(0);
  filters_.set_numbered(true);
  EXPECT_EQ(filters_.lanes_wanted(), 1);
  filters_.on_connected(0, false);
  EXPECT_EQ(grant(), (Texts{"a/# 0", "a/b 0"}));
}

}  // namespace
}  // namespace famemely::gateway
