#include "protocol/mqtt/filter_trie.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::mqtt {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

TopicFilter filter(std::string_view text) { return *TopicFilter::parse(text); }

std::vector<std::uint32_t> match(const FilterTrie& trie, std::string_view topic) {
  std::vector<std::uint32_t> ids;
  trie.match(topic, ids);
  return ids;
}

TEST(FilterTrie, FindsEveryKindOfFilter) {
  FilterTrie trie;
  trie.insert(filter("a/b"), 1);
  trie.insert(filter("a/+"), 2);
  trie.insert(filter("a/#"), 3);
  trie.insert(filter("#"), 4);
  trie.insert(filter("+/b"), 5);
  trie.insert(filter("a/b/#"), 6);
  trie.insert(filter("a/c"), 7);
  EXPECT_THAT(match(trie, "a/b"), UnorderedElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(match(trie, "a"), UnorderedElementsAre(3, 4));
}

TEST(FilterTrie, AppendsToWhatIsThere) {
  FilterTrie trie;
  trie.insert(filter("a"), 1);
  std::vector<std::uint32_t> ids{9};
  trie.match("a", ids);
  EXPECT_THAT(ids, UnorderedElementsAre(9, 1));
}

TEST(FilterTrie, ReplacesTheNumberOfAHeldFilter) {
  FilterTrie trie;
  trie.insert(filter("a/#"), 1);
  trie.insert(filter("a/#"), 2);
  EXPECT_EQ(trie.size(), 1U);
  EXPECT_THAT(match(trie, "a"), UnorderedElementsAre(2));
}

TEST(FilterTrie, EraseGivesTheNumberBackOnce) {
  FilterTrie trie;
  trie.insert(filter("a/+/c"), 1);
  EXPECT_EQ(trie.erase(filter("a/+/c")), 1U);
  EXPECT_EQ(trie.erase(filter("a/+/c")), std::nullopt);
  EXPECT_EQ(trie.erase(filter("a")), std::nullopt);
  EXPECT_TRUE(trie.empty());
}

TEST(FilterTrie, EraseLeavesWhatHangsBelow) {
  FilterTrie trie;
  trie.insert(filter("a"), 1);
  trie.insert(filter("a/b"), 2);
  trie.erase(filter("a"));
  EXPECT_THAT(match(trie, "a"), IsEmpty());
  EXPECT_THAT(match(trie, "a/b"), UnorderedElementsAre(2));
  EXPECT_EQ(trie.find(filter("a/b")), 2U);
  EXPECT_EQ(trie.find(filter("a")), std::nullopt);
}

TEST(FilterTrie, GivesNodesBackWhenFiltersGo) {
  FilterTrie trie;
  const std::size_t before = trie.node_count();
  for (std::uint32_t i = 0; i < 100; ++i) trie.insert(filter("x/" + std::to_string(i) + "/+/#"), i);
  for (std::uint32_t i = 0; i < 100; ++i) trie.erase(filter("x/" + std::to_string(i) + "/+/#"));
  EXPECT_EQ(trie.node_count(), before);
}

TEST(FilterTrie, TopicsDeeperThanAnyFilterAreMatched) {
  FilterTrie trie;
  trie.insert(filter(std::string(126, '/') + "/+"), 1);
  trie.insert(filter("#"), 2);
  EXPECT_THAT(match(trie, std::string(127, '/')), UnorderedElementsAre(1, 2));
  EXPECT_THAT(match(trie, std::string(60'000, '/')), UnorderedElementsAre(2));
}

TEST(FilterTrie, AgreesWithMatchingOneByOneUnderRandomChange) {
  std::mt19937 random(7);
  const auto pick = [&](std::vector<std::string> levels, std::size_t depth_max) {
    std::string text;
    const std::size_t depth = 1 + random() % depth_max;
    for (std::size_t i = 0; i < depth; ++i) text += (i ? "/" : "") + levels[random() % levels.size()];
    return text;
  };
  FilterTrie trie;
  std::map<std::string, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    const auto parsed = TopicFilter::parse(pick({"a", "b", "$c", "+", "", "#"}, 4));
    if (!parsed) continue;
    if (random() % 2) {
      trie.insert(*parsed, step);
      model[parsed->text()] = step;
    } else {
      const auto held = model.find(parsed->text());
      EXPECT_EQ(trie.erase(*parsed), held == model.end() ? std::nullopt : std::optional(held->second));
      if (held != model.end()) model.erase(held);
    }
    const std::string topic = pick({"a", "b", "$c", "", "z"}, 5);
    std::vector<std::uint32_t> expected;
    for (const auto& [text, id] : model)
      if (overlaps(filter(text), *parsed)) expected.push_back(id);
    std::vector<std::uint32_t> overlapping;
    trie.overlapping(*parsed, overlapping);
    ASSERT_THAT(overlapping, UnorderedElementsAreArray(expected)) << parsed->text();
    if (topic.empty()) continue;
    expected.clear();
    for (const auto& [text, id] : model)
      if (matches(filter(text), topic)) expected.push_back(id);
    ASSERT_THAT(match(trie, topic), UnorderedElementsAreArray(expected)) << topic;
    ASSERT_EQ(trie.size(), model.size());
  }
}

}  // namespace
}  // namespace famemely::mqtt
