#include "protocol/mqtt/topic_algebra.hpp"

#include <gtest/gtest.h>

#include <cstdint>
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
bool reference_matches(const std::vector<std::string>& wanted, const std::vector<std::string>& levels) {
  if (levels[0].starts_with('$') && (wanted[0] == "+" || wanted[0] == "#")) return false;
  const bool deep = wanted.back() == "#";
  const std::size_t fixed = wanted.size() - (deep ? 1 : 0);
  if (deep ? levels.size() < fixed : levels.size() != fixed) return false;
  for (std::size_t i = 0; i < fixed; ++i)
    if (wanted[i] != "+" && wanted[i] != levels[i]) return false;
  return true;
}

/// All texts of at most that many of these levels.
std::vector<std::string> all_texts(const std::vector<std::string>& levels, std::size_t count_max) {
  std::vector<std::string> texts = levels;
  for (std::size_t from = 0, count = 2; count <= count_max; ++count) {
    const std::size_t to = texts.size();
    for (; from < to; ++from)
      for (const std::string& level : levels) texts.push_back(texts[from] + "/" + level);
  }
  std::erase(texts, "");
  return texts;
}

/// Sets of topics, a bit each, so that millions of pairs of filters can be compared by brute force.
using Bits = std::vector<std::uint64_t>;

struct World {
  std::vector<TopicFilter> filters;
  std::vector<std::string> topics;
  std::vector<Bits> matched;  // by filter

  World() : topics(all_texts({"a", "x", "$", ""}, 6)) {
    for (const auto& text : all_texts({"a", "$", "", "+", "#"}, 5))
      if (auto parsed = TopicFilter::parse(text)) filters.push_back(*parsed);
    std::vector<std::vector<std::string>> levels;
    levels.reserve(topics.size());
    for (const std::string& topic : topics) levels.push_back(split(topic));
    for (const auto& each : filters) {
      const auto wanted = split(each.text());
      Bits& bits = matched.emplace_back((topics.size() + 63) / 64);
      for (std::size_t t = 0; t < topics.size(); ++t)
        if (reference_matches(wanted, levels[t])) bits[t / 64] |= std::uint64_t{1} << t % 64;
    }
  }
  [[nodiscard]] bool matches(std::size_t filter, std::size_t topic) const {
    return (matched[filter][topic / 64] >> topic % 64 & 1) != 0;
  }
};

const World& world() {
  static const World it;
  return it;
}

TEST(TopicAlgebra, MatchesAsTheSpecificationSaysOverASmallAlphabet) {
  ASSERT_GT(world().filters.size() * world().topics.size(), 9'000'000U);
  for (std::size_t f = 0; f < world().filters.size(); ++f)
    for (std::size_t t = 0; t < world().topics.size(); ++t)
      if (matches(world().filters[f], world().topics[t]) != world().matches(f, t))
        FAIL() << world().filters[f].text() << " on " << world().topics[t];
}

TEST(TopicAlgebra, CoversWhereEveryTopicOfTheInnerIsMatchedByTheOuter) {
  ASSERT_GT(world().filters.size() * world().filters.size(), 2'000'000U);
  for (std::size_t outer = 0; outer < world().filters.size(); ++outer) {
    const Bits& outer_bits = world().matched[outer];
    for (std::size_t inner = 0; inner < world().filters.size(); ++inner) {
      const Bits& inner_bits = world().matched[inner];
      bool expected = true;
      for (std::size_t i = 0; i < inner_bits.size() && expected; ++i) expected = (inner_bits[i] & ~outer_bits[i]) == 0;
      if (covers(world().filters[outer], world().filters[inner]) != expected)
        FAIL() << world().filters[outer].text() << " over " << world().filters[inner].text();
    }
  }
}

TEST(TopicAlgebra, OverlapsWhereSomeTopicIsMatchedByBoth) {
  for (std::size_t one = 0; one < world().filters.size(); ++one) {
    const Bits& one_bits = world().matched[one];
    for (std::size_t other = 0; other < world().filters.size(); ++other) {
      const Bits& other_bits = world().matched[other];
      bool expected = false;
      for (std::size_t i = 0; i < one_bits.size() && !expected; ++i) expected = (one_bits[i] & other_bits[i]) != 0;
      if (overlaps(world().filters[one], world().filters[other]) != expected)
        FAIL() << world().filters[one].text() << " and " << world().filters[other].text();
    }
  }
}

/// What follows from the words alone, whatever the texts are.
TEST(TopicAlgebra, TheRelationsAgreeWithEachOther) {
  const auto& filters = world().filters;
  for (std::size_t one = 0; one < filters.size(); ++one) {
    ASSERT_TRUE(covers(filters[one], filters[one])) << filters[one].text();
    for (std::size_t other = 0; other < one; ++other) {
      const bool meet = overlaps(filters[one], filters[other]);
      if (meet != overlaps(filters[other], filters[one]) ||
          (!meet && (covers(filters[one], filters[other]) || covers(filters[other], filters[one]))))
        FAIL() << filters[one].text() << " and " << filters[other].text();
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
