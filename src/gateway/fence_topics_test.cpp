#include "gateway/fence_topics.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"

namespace famemely::gateway {
namespace {

using namespace std::string_literals;

std::string levels(std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i < count; ++i) text += "a/";
  return text + "a";
}

TEST(FenceTopics, HaveAnOrdinaryClientIdAsItIs) {
  for (const std::string& id : {"famemely_1700000000000"s, "site/gw-1.example"s, "Größe 7"s, "a//b"s, levels(126)}) {
    EXPECT_EQ(FenceTopics::of(id).own, "$famemely/" + id + "/fence");
    EXPECT_EQ(FenceTopics::of(id).fallback, "famemely/fence/" + id);
  }
}

TEST(FenceTopics, EscapeWhatCantStandInATopic) {
  EXPECT_EQ(FenceTopics::of("gw+1").own, "$famemely/gw%2B1/fence");
  EXPECT_EQ(FenceTopics::of("#*%").fallback, "famemely/fence/%23%2A%25");
  EXPECT_EQ(FenceTopics::of("\x01\xC2\x80\xEF\xBF\xBF").fallback, "famemely/fence/%01%C2%80%EF%BF%BF");
}

TEST(FenceTopics, AreTopicsAndDistinctWhateverTheClientId) {
  const std::vector<std::string> ids{"gw",
                                     "gw+1",
                                     "gw%2B1",
                                     "gw#",
                                     "+",
                                     "/",
                                     "gw\x01",
                                     "gw\0"s,
                                     "\xFF",
                                     "$share/g/x",
                                     "*",
                                     levels(126),
                                     levels(127),
                                     levels(128),
                                     std::string(65'000, 'a'),
                                     std::string(65'000, '+'),
                                     std::string(65'535, 'a'),
                                     std::string(65'535, 'b')};
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    const FenceTopics topics = FenceTopics::of(id);
    for (const std::string& topic : {topics.own, topics.fallback}) {
      EXPECT_TRUE(mqtt::TopicName::parse(topic)) << topic;
      EXPECT_TRUE(mqtt::TopicFilter::parse(topic)) << topic;
      EXPECT_TRUE(seen.insert(topic).second) << topic;
    }
  }
}

}  // namespace
}  // namespace famemely::gateway
