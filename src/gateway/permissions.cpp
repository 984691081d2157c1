#include "gateway/permissions.hpp"

#include <fmt/format.h>

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

/// What was decided before, or is now. A client may ask for anything, so there is a bound.
template <typename Decisions, typename Find>
Decision recall(Decisions& decisions, const std::string& text, Find find) {
  if (text.size() > Permissions::kRememberedTopicBytesMax) return find();
  if (const auto found = decisions.find(text); found != decisions.end()) return found->second;
  if (decisions.size() >= Permissions::kDecisionsMax) decisions.clear();
  return decisions.emplace(text, find()).first->second;
}

}  // namespace

std::string to_text(const Decision& decision, const PermissionPolicy& policy) {
  switch (decision.ground) {
    case Ground::reserved:
      return "a topic of the gateway itself";
    case Ground::token_list:
      return "the token's own list, app_metadata.mqtt";
    case Ground::no_rule:
      return policy.source().empty() ? "no rule of the built-in policy" : "no rule of " + policy.source();
    case Ground::rule:
      break;
  }
  if (policy.source().empty()) return fmt::format("rule {} of the built-in policy", decision.rule + 1);
  return fmt::format("rule {} ({}:{})", decision.rule + 1, policy.source(), policy.rule(decision.rule).line);
}

Permissions::Permissions(std::shared_ptr<const PermissionPolicy> policy, const Identity& identity)
    : policy_(std::move(policy)) {
  const TokenValues values(identity);
  concerned_ = policy_->concerned(identity, values);
  for (const auto& [rule, topic] : policy_->templated()) {
    if (!concerned_[rule]) continue;
    const bool allows = policy_->rule(rule).effect == Effect::allow;
    if (auto filter = topic->filter_for(values, allows ? Missing::never_matches : Missing::matches_any_level))
      own_.push_back({rule, std::move(*filter)});
  }
  token_publish_ = token_list(values, "publish");
  token_subscribe_ = token_list(values, "subscribe");
}

Decision Permissions::by_rule(std::optional<std::size_t> rule) const {
  if (!rule) return {};
  return {.allowed = policy_->rule(*rule).effect == Effect::allow, .ground = Ground::rule, .rule = *rule};
}

Decision Permissions::decide_publish(const mqtt::TopicName& topic) const {
  return recall(published_, topic.text(), [&] { return find_publish(topic); });
}

Decision Permissions::decide_subscribe(const mqtt::TopicFilter& filter) const {
  return recall(subscribed_, filter.text(), [&] { return find_subscribe(filter); });
}

Decision Permissions::find_publish(const mqtt::TopicName& topic) const {
  const auto matches_topic = [&](const mqtt::TopicFilter& filter) { return mqtt::matches(filter, topic); };
  if (std::ranges::any_of(policy_->reserved(), matches_topic)) return {.ground = Ground::reserved};
  if (std::ranges::any_of(token_publish_, matches_topic)) return {.allowed = true, .ground = Ground::token_list};
  auto first = policy_->first_for_publish(topic, concerned_);
  for (const OwnTopic& own : own_) {
    if (first && own.rule >= *first) break;
    if (!policy_->rule(own.rule).publish || !matches_topic(own.filter)) continue;
    first = own.rule;
    break;
  }
  return by_rule(first);
}

Decision Permissions::find_subscribe(const mqtt::TopicFilter& filter) const {
  const auto covers_filter = [&](const mqtt::TopicFilter& topic) { return mqtt::covers(topic, filter); };
  if (std::ranges::any_of(policy_->reserved(), covers_filter)) return {.ground = Ground::reserved};
  if (std::ranges::any_of(token_subscribe_, covers_filter)) return {.allowed = true, .ground = Ground::token_list};
  auto first = policy_->first_for_subscribe(filter, concerned_);
  for (const OwnTopic& own : own_) {
    if (first && own.rule >= *first) break;
    const PermissionRule& rule = policy_->rule(own.rule);
    if (!rule.subscribe) continue;
    // To overlap is the wider relation: a filter that a topic covers overlaps it as well.
    if (rule.effect == Effect::allow ? !covers_filter(own.filter) : !mqtt::overlaps(own.filter, filter)) continue;
    first = own.rule;
    break;
  }
  return by_rule(first);
}

}  // namespace famemely::gateway
