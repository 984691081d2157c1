#include "gateway/permissions.hpp"

#include <algorithm>

#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {
namespace {

using Effect = PermissionRule::Effect;
using Ground = Decision::Ground;
using Missing = TopicTemplate::Missing;

/// The filters of `app_metadata.mqtt.<operation>`. What is no filter gives no right.
std::vector<mqtt::TopicFilter> token_list(const TokenValues& values, std::string_view operation) {
  static const ClaimPath path = *ClaimPath::parse("app_metadata.mqtt");
  std::vector<mqtt::TopicFilter> filters;
  const auto lists = values.claim(path);
  const auto list = lists ? lists->find(operation) : std::nullopt;
  if (!list) return filters;
  for (const JsonView& element : list->elements()) {
    const auto text = element.as_string();
    if (!text) continue;
    if (auto filter = mqtt::TopicFilter::parse(*text)) filters.push_back(std::move(*filter));
  }
  return filters;
}

/// A policy that outlives the question, as the shared pointer that Permissions wants.
std::shared_ptr<const PermissionPolicy> unowned(const PermissionPolicy& policy) {
  return {std::shared_ptr<const PermissionPolicy>(), &policy};
}

}  // namespace

Permissions::Permissions(std::shared_ptr<const PermissionPolicy> policy, const Identity& identity)
    : policy_(std::move(policy)) {
  const TokenValues values(identity);
  for (std::size_t index = 0; index < policy_->rules.size(); ++index) {
    const PermissionRule& rule = policy_->rules[index];
    if (!rule.concerns(identity, values)) continue;
    const Missing missing = rule.effect == Effect::allow ? Missing::never_matches : Missing::matches_any_level;
    ApplicableRule applicable{.index = index, .filters = {}};
    for (const TopicTemplate& topic : rule.topics) {
      if (topic.fixed()) continue;
      if (auto filter = topic.filter_for(values, missing)) applicable.filters.push_back(std::move(*filter));
    }
    rules_.push_back(std::move(applicable));
  }
  token_publish_ = token_list(values, "publish");
  token_subscribe_ = token_list(values, "subscribe");
}

template <typename Predicate>
bool Permissions::any_topic(const ApplicableRule& rule, Predicate predicate) const {
  return std::ranges::any_of(rule.filters, predicate) ||
         std::ranges::any_of(policy_->rules[rule.index].topics,
                             [&](const TopicTemplate& topic) { return topic.fixed() && predicate(*topic.fixed()); });
}

Decision Permissions::decide_publish(const mqtt::TopicName& topic) const {
  const auto matches_topic = [&](const mqtt::TopicFilter& filter) { return mqtt::matches(filter, topic); };
  if (std::ranges::any_of(policy_->reserved, matches_topic)) return {.ground = Ground::reserved};
  if (std::ranges::any_of(token_publish_, matches_topic)) return {.allowed = true, .ground = Ground::token_list};
  for (const ApplicableRule& applicable : rules_) {
    const PermissionRule& rule = policy_->rules[applicable.index];
    if (rule.publish && any_topic(applicable, matches_topic)) {
      return {.allowed = rule.effect == Effect::allow, .ground = Ground::rule, .rule = applicable.index};
    }
  }
  return {};
}

Decision Permissions::decide_subscribe(const mqtt::TopicFilter& filter) const {
  const auto covers_filter = [&](const mqtt::TopicFilter& topic) { return mqtt::covers(topic, filter); };
  const auto overlaps_filter = [&](const mqtt::TopicFilter& topic) { return mqtt::overlaps(topic, filter); };
  if (std::ranges::any_of(policy_->reserved, covers_filter)) return {.ground = Ground::reserved};
  if (std::ranges::any_of(token_subscribe_, covers_filter)) return {.allowed = true, .ground = Ground::token_list};
  for (const ApplicableRule& applicable : rules_) {
    const PermissionRule& rule = policy_->rules[applicable.index];
    if (!rule.subscribe) continue;
    const bool allow = rule.effect == Effect::allow;
    // To overlap is the wider relation: a filter that a topic covers overlaps it as well.
    if (allow ? any_topic(applicable, covers_filter) : any_topic(applicable, overlaps_filter)) {
      return {.allowed = allow, .ground = Ground::rule, .rule = applicable.index};
    }
  }
  return {};
}

Decision decide_publish(const PermissionPolicy& policy, const Identity& identity, const mqtt::TopicName& topic) {
  return Permissions(unowned(policy), identity).decide_publish(topic);
}

Decision decide_subscribe(const PermissionPolicy& policy, const Identity& identity, const mqtt::TopicFilter& filter) {
  return Permissions(unowned(policy), identity).decide_subscribe(filter);
}

}  // namespace famemely::gateway
