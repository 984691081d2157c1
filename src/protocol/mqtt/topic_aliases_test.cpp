#include "protocol/mqtt/topic_aliases.hpp"

#include <gtest/gtest.h>

namespace famemely::mqtt {
namespace {

TEST(InboundTopicAliases, AllowsWhatWasAnnouncedOnly) {
  const InboundTopicAliases aliases(3);
  EXPECT_FALSE(aliases.allows(0));
  EXPECT_TRUE(aliases.allows(3));
  EXPECT_FALSE(aliases.allows(4));
}

TEST(InboundTopicAliases, KeepsAReplacedTopicReadableUntilItIsFreed) {
  InboundTopicAliases aliases(3);
  aliases.set(1, "first");
  const std::string_view before = *aliases.find(1);
  aliases.set(1, "second");
  aliases.set(2, "third");
  aliases.clear();
  EXPECT_EQ(before, "first");
  EXPECT_EQ(aliases.find(1), std::nullopt);
  aliases.free_retired();
}

TEST(OutboundTopicAliases, TellsATopicOnce) {
  OutboundTopicAliases aliases;
  aliases.start(2);
  EXPECT_FALSE(aliases.use("a").known);
  EXPECT_TRUE(aliases.use("a").known);
  EXPECT_EQ(aliases.use("a").alias, 1U);
  EXPECT_EQ(aliases.use("b").alias, 2U);
  EXPECT_EQ(aliases.use("c").alias, 0U);
}

TEST(OutboundTopicAliases, BeginsAnewWithEachConnection) {
  OutboundTopicAliases aliases;
  aliases.start(2);
  static_cast<void>(aliases.use("a"));
  aliases.start(2);
  EXPECT_FALSE(aliases.use("a").known);
  aliases.start(0);
  EXPECT_EQ(aliases.use("a").alias, 0U);
}

}  // namespace
}  // namespace famemely::mqtt
