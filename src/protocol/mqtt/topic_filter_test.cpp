#include "protocol/mqtt/topic_filter.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace famemely::mqtt {
namespace {

std::string refusal(std::string_view text) {
  const auto filter = TopicFilter::parse(text);
  return filter ? "" : filter.error();
}

TEST(TopicFilter, TakesWildcardsThatAreWholeLevels) {
  for (const char* text : {"#", "+", "/", "a/#", "+/+", "+/a/#", "/+", "$SYS/#", "a b", "a//+", "$shared/a"})
    EXPECT_EQ(refusal(text), "") << text;
}

TEST(TopicFilter, RefusesHashInsideALevel) {
  for (const char* text : {"a#", "a/b#", "#a", "##", "+#"})
    EXPECT_EQ(refusal(text), "topic must hold # only as a whole level") << text;
}

TEST(TopicFilter, RefusesPlusInsideALevel) {
  for (const char* text : {"a+", "a/+b", "++", "a/+b/c"})
    EXPECT_EQ(refusal(text), "topic must hold + only as a whole level") << text;
}

TEST(TopicFilter, RefusesHashBeforeTheLastLevel) {
  for (const char* text : {"#/a", "a/#/b", "#/", "#/#"})
    EXPECT_EQ(refusal(text), "topic must hold # only as its last level") << text;
}

TEST(TopicFilter, RefusesSharedSubscriptionsByName) {
  for (const char* text : {"$share/g/a", "$share/", "$share"})
    EXPECT_EQ(refusal(text), "topic must not be a shared subscription ($share)") << text;
}

TEST(TopicFilter, HasTheTextRulesOfATopic) {
  EXPECT_EQ(refusal(""), "topic must not be empty");
  EXPECT_EQ(refusal("a/\x01/#"), "topic must not hold control characters");
  EXPECT_EQ(refusal(std::string(126, '/') + "/#"), "");
  EXPECT_EQ(refusal(std::string(127, '/') + "/#"), "topic must not have more than 128 levels");
}

TEST(TopicFilter, TellsWhetherItHasAWildcard) {
  EXPECT_TRUE(TopicFilter::parse("a/+")->has_wildcard());
  EXPECT_TRUE(TopicFilter::parse("#")->has_wildcard());
  EXPECT_FALSE(TopicFilter::parse("a/b")->has_wildcard());
}

TEST(TopicFilter, IsAValueThatHashes) {
  const std::unordered_set<TopicFilter> set{*TopicFilter::parse("+"), *TopicFilter::parse("#"),
                                            *TopicFilter::parse("+")};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace famemely::mqtt
