#include "gateway/permission_policy.hpp"

#include <gtest/gtest.h>

#include <random>

#include "gateway/permissions.hpp"
#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {
namespace {

using Effect = PermissionRule::Effect;
using Ground = Decision::Ground;

Identity someone(bool editor) {
  return make_identity("u", editor ? R"({"sub":"u","role":"editor","team":"b"})" : R"({"sub":"u","role":"reader"})",
                       RoleClaims::defaults(), std::nullopt, false);
}

/// The contract's words, rule by rule, without any regard to speed.
template <typename Decides>
Decision reference(const PermissionRules& rules, const Identity& identity, Decides decides) {
  const TokenValues values(identity);
  for (std::size_t index = 0; index < rules.rules.size(); ++index) {
    const PermissionRule& rule = rules.rules[index];
    if (!rule.concerns(identity, values)) continue;
    const bool allow = rule.effect == Effect::allow;
    const auto missing = allow ? TopicTemplate::Missing::never_matches : TopicTemplate::Missing::matches_any_level;
    for (const TopicTemplate& topic : rule.topics)
      if (const auto filter = topic.filter_for(values, missing); filter && decides(rule, *filter))
        return {.allowed = allow, .ground = Ground::rule, .rule = index};
  }
  return {};
}

class Dice {
 public:
  std::size_t below(std::size_t bound) { return generator_() % bound; }

  /// A few levels of a few names; `wild` allows wildcards and, if they are wished for, placeholders.
  std::string topic(bool wild, bool placeholders) {
    static constexpr std::string_view kNames[] = {"a", "b", "$s", "", "+", "{team}", "{sub}"};
    std::string text;
    const std::size_t levels = 1 + below(3);
    for (std::size_t i = 0; i < levels; ++i) {
      if (i > 0) text += '/';
      text += kNames[below(!wild ? 4 : placeholders ? 7 : 5)];
    }
    if (wild && below(3) == 0) text = below(5) == 0 ? "#" : text + "/#";
    return text;
  }

  PermissionRule rule() {
    PermissionRule made{.effect = below(2) ? Effect::allow : Effect::deny,
                        .publish = below(3) > 0,
                        .subscribe = below(3) > 0,
                        .roles = {},
                        .claims = {},
                        .topics = {}};
    if (below(4) == 0) made.roles = {"editor"};
    const std::size_t topics = 1 + below(3);
    while (made.topics.size() < topics)
      if (auto parsed = TopicTemplate::parse(topic(true, true))) made.topics.push_back(*parsed);
    return made;
  }

 private:
  std::mt19937 generator_{7};
};

TEST(PermissionPolicy, DecidesAsTheRulesReadOneByOne) {
  Dice dice;
  std::size_t asked = 0;
  for (int round = 0; round < 2000; ++round) {
    PermissionRules rules;
    const std::size_t count = dice.below(8);
    for (std::size_t i = 0; i < count; ++i) rules.rules.push_back(dice.rule());
    const Identity identity = someone(dice.below(2) == 0);
    const Permissions permissions(std::make_shared<const PermissionPolicy>(rules), identity);
    for (int question = 0; question < 20; ++question) {
      if (const auto topic = mqtt::TopicName::parse(dice.topic(false, false))) {
        ++asked;
        ASSERT_EQ(permissions.decide_publish(*topic),
                  reference(rules, identity,
                            [&](const PermissionRule& rule, const mqtt::TopicFilter& filter) {
                              return rule.publish && mqtt::matches(filter, *topic);
                            }))
            << topic->text();
      }
      const auto wanted = mqtt::TopicFilter::parse(dice.topic(true, false));
      if (!wanted) continue;
      ++asked;
      ASSERT_EQ(permissions.decide_subscribe(*wanted),
                reference(rules, identity,
                          [&](const PermissionRule& rule, const mqtt::TopicFilter& filter) {
                            if (!rule.subscribe) return false;
                            return mqtt::covers(filter, *wanted) ||
                                   (rule.effect == Effect::deny && mqtt::overlaps(filter, *wanted));
                          }))
          << wanted->text();
    }
  }
  EXPECT_GT(asked, 50'000U);
}

TEST(PermissionPolicy, KnowsWhichRulesAreForWhom) {
  PermissionRules rules;
  rules.rules.resize(2);
  rules.rules[1].roles = {"editor"};
  const PermissionPolicy policy(rules);
  EXPECT_EQ(policy.concerned(someone(true), TokenValues(someone(true))), (std::vector<bool>{true, true}));
  EXPECT_EQ(policy.concerned(someone(false), TokenValues(someone(false))), (std::vector<bool>{true, false}));
}

}  // namespace
}  // namespace famemely::gateway
