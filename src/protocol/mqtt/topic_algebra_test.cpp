#include "protocol/mqtt/topic_algebra.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace famemely::mqtt {
namespace {

TopicFilter filter(std::string_view text) { return *TopicFilter::parse(text); }

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> levels(1);
  for (char c : text) {
    if (c == '/')
      levels.emplace_back();
    else
      levels.back() += c;
  }
  return levels;
}

/// The specification's words, without any regard to speed.
bool reference_matches(const std::string& filter_text, const std::string& topic_text) {
  const auto wanted = split(filter_text);
  const auto levels = split(topic_text);
  if (topic_text[0] == '$' && (wanted[0] == "+" || wanted[0] == "#")) return false;
  const bool deep = wanted.back() == "#";
  const std::size_t fixed = wanted.size() - (deep ? 1 : 0);
  if (deep ? levels.size() < fixed : levels.size() != fixed) return false;
  for (std::size_t i = 0; i < fixed; ++i)
    if (wanted[i] != "+" && wanted[i] != levels[i]) return false;
  return true;
}

/// All texts over the alphabet of at most that many letters.
std::vector<std::string> all_texts(std::string_view alphabet, std::size_t length_max) {
  std::vector<std::string> texts{""};
  for (std::size_t from = 0, length = 1; length <= length_max; ++length) {
    const std::size_t to = texts.size();
    for (; from < to; ++from)
      for (char letter : alphabet) texts.push_back(texts[from] + letter);
  }
  texts.erase(texts.begin());
  return texts;
}

struct World {
  std::vector<TopicFilter> filters;
  std::vector<std::string> topics;
  std::vector<std::vector<bool>> matched;  // by filter, by topic

  World() : topics(all_texts("ax$/", 6)) {
    for (const auto& text : all_texts("a$+#/", 4))
      if (auto parsed = TopicFilter::parse(text)) filters.push_back(*parsed);
    for (const auto& each : filters) {
      matched.emplace_back();
      for (const auto& topic : topics) matched.back().push_back(reference_matches(each.text(), topic));
    }
  }
};

const World& world() {
  static const World it;
  return it;
}

TEST(TopicAlgebra, MatchesAsTheSpecificationSaysOverASmallAlphabet) {
  ASSERT_GT(world().filters.size(), 100U);
  for (std::size_t f = 0; f < world().filters.size(); ++f)
    for (std::size_t t = 0; t < world().topics.size(); ++t)
      ASSERT_EQ(matches(world().filters[f], world().topics[t]), world().matched[f][t])
          << world().filters[f].text() << " on " << world().topics[t];
}

TEST(TopicAlgebra, CoversWhereEveryTopicOfTheInnerIsMatchedByTheOuter) {
  for (std::size_t outer = 0; outer < world().filters.size(); ++outer) {
    for (std::size_t inner = 0; inner < world().filters.size(); ++inner) {
      bool expected = true;
      for (std::size_t t = 0; t < world().topics.size() && expected; ++t)
        expected = !world().matched[inner][t] || world().matched[outer][t];
      ASSERT_EQ(covers(world().filters[outer], world().filters[inner]), expected)
          << world().filters[outer].text() << " over " << world().filters[inner].text();
    }
  }
}

TEST(TopicAlgebra, OverlapsWhereSomeTopicIsMatchedByBoth) {
  for (std::size_t one = 0; one < world().filters.size(); ++one) {
    for (std::size_t other = 0; other < world().filters.size(); ++other) {
      bool expected = false;
      for (std::size_t t = 0; t < world().topics.size() && !expected; ++t)
        expected = world().matched[one][t] && world().matched[other][t];
      ASSERT_EQ(overlaps(world().filters[one], world().filters[other]), expected)
          << world().filters[one].text() << " and " << world().filters[other].text();
    }
  }
}

TEST(TopicAlgebra, LeadingWildcardsDoNotReachReservedTopics) {
  EXPECT_FALSE(matches(filter("#"), "$SYS/uptime"));
  EXPECT_FALSE(matches(filter("+/uptime"), "$SYS/uptime"));
  EXPECT_TRUE(matches(filter("$SYS/#"), "$SYS/uptime"));
  EXPECT_FALSE(covers(filter("#"), filter("$SYS/#")));
  EXPECT_FALSE(overlaps(filter("#"), filter("$SYS/uptime")));
}

TEST(TopicAlgebra, HashIncludesItsParent) {
  EXPECT_TRUE(matches(filter("sport/#"), "sport"));
  EXPECT_TRUE(covers(filter("sport/#"), filter("sport")));
  EXPECT_TRUE(overlaps(filter("sport"), filter("+/#")));
}

TEST(TopicAlgebra, KnowsThatNoTopicIsEmpty) {
  EXPECT_TRUE(covers(filter("+/#"), filter("#")));
  EXPECT_TRUE(covers(filter("/+/#"), filter("/#")));
  EXPECT_FALSE(overlaps(filter("+"), filter("/#")));
}

TEST(TopicAlgebra, TakesParsedTopics) { EXPECT_TRUE(matches(filter("a/+"), *TopicName::parse("a/b"))); }

}  // namespace
}  // namespace famemely::mqtt
