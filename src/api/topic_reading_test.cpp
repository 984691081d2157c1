#include "api/topic_reading.hpp"

#include <gtest/gtest.h>

#include <string>

namespace famemely::api {
namespace {

TEST(TopicReading, RefusesWhatIsTooLargeAndSaysWhichLimitItIs) {
  const mqtt::TopicLimits limits{.bytes = 10, .levels = 3};
  EXPECT_TRUE(read_topic("a/b/cdefgh", limits));
  const auto long_topic = read_topic("a/b/cdefghi", limits);
  ASSERT_FALSE(long_topic);
  EXPECT_EQ(long_topic.error().text(), "topic must not be longer than 10 bytes");
  EXPECT_EQ(long_topic.error().limit, Limit::topic);
  const auto deep_filter = read_filter("a/b/c/#", limits);
  ASSERT_FALSE(deep_filter);
  EXPECT_EQ(deep_filter.error().text(), "topic must not have more than 3 levels");
  EXPECT_EQ(deep_filter.error().limit, Limit::topic);
}

TEST(TopicReading, WhatIsNoTopicBreaksNoLimit) {
  const auto refused = read_topic("a/+", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "topic must not hold wildcards");
  EXPECT_FALSE(refused.error().limit);
  EXPECT_FALSE(read_filter("a/#/b", {}));
  EXPECT_TRUE(read_filter("a/+/#", {}));
}

TEST(TopicReading, ByDefaultTheLimitsAreThoseOfTopicsThemselves) {
  EXPECT_TRUE(read_topic(std::string(65'535, 'a'), {}));
  EXPECT_EQ(read_topic(std::string(65'536, 'a'), {}).error().limit, Limit::topic);
  EXPECT_TRUE(read_topic(std::string(127, '/'), {}));
  EXPECT_EQ(read_topic(std::string(128, '/'), {}).error().limit, Limit::topic);
}

}  // namespace
}  // namespace famemely::api
