#include "socketio/ack_collector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

Arguments one() { return Arguments({"1"}, {}); }

TEST(SocketIoAckCollector, IsDoneWhenEveryNodeAndEverySocketHasAnswered) {
  AckCollector collector;
  collector.begin(7, 2, nullptr);
  EXPECT_FALSE(collector.on_expected({7, {"a", "b"}}));
  EXPECT_FALSE(collector.on_given({7, "a", one()}));
  EXPECT_FALSE(collector.on_given({7, "b", one()}));
  EXPECT_TRUE(collector.on_expected({7, {}}));
  const auto taken = collector.take(7);
  EXPECT_TRUE(taken->first.complete());
  EXPECT_EQ(taken->first.answers.size(), 2);
  EXPECT_EQ(collector.size(), 0);
}

TEST(SocketIoAckCollector, NamesThoseWhoDidNotAnswer) {
  AckCollector collector;
  collector.begin(7, 1, nullptr);
  EXPECT_FALSE(collector.on_expected({7, {"a", "b", "c"}}));
  EXPECT_FALSE(collector.on_given({7, "a", one()}));
  EXPECT_FALSE(collector.on_given({7, "b", std::nullopt}));
  const auto taken = collector.take(7);
  EXPECT_THAT(taken->first.missing, UnorderedElementsAre("b", "c"));
  EXPECT_FALSE(taken->first.complete());
}

TEST(SocketIoAckCollector, TellsThatANodeIsMissing) {
  AckCollector collector;
  collector.begin(7, 2, nullptr);
  EXPECT_FALSE(collector.on_expected({7, {}}));
  EXPECT_TRUE(collector.take(7)->first.node_missing);
}

TEST(SocketIoAckCollector, CountsNoAnswerTwiceAndNoneOfStrangers) {
  AckCollector collector;
  collector.begin(7, 1, nullptr);
  EXPECT_FALSE(collector.on_expected({7, {"a", "b"}}));
  EXPECT_FALSE(collector.on_given({7, "a", one()}));
  EXPECT_FALSE(collector.on_given({7, "a", one()}));
  EXPECT_FALSE(collector.on_given({7, "x", one()}));
  EXPECT_FALSE(collector.on_given({8, "b", one()}));
  EXPECT_THAT(collector.take(7)->first.missing, ElementsAre("b"));
}

}  // namespace
}  // namespace famemely::socketio
