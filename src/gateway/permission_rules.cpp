#include "gateway/permission_rules.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "gateway/fence_topics.hpp"

namespace famemely::gateway {
namespace {

using Effect = PermissionRule::Effect;

std::vector<TopicTemplate> templates(std::initializer_list<std::string_view> texts) {
  std::vector<TopicTemplate> parsed;
  for (const std::string_view text : texts) parsed.push_back(*TopicTemplate::parse(text));
  return parsed;
}

struct Equals {
  const JsonView& claim;

  bool operator()(std::monostate) const { return claim.is_null(); }
  bool operator()(bool value) const { return claim.as_boolean() == value; }
  bool operator()(const Decimal& value) const {
    return claim.kind() == JsonKind::number && Decimal::parse(claim.raw()) == value;
  }
  bool operator()(const std::string& value) const { return claim.as_string() == value; }
};

}  // namespace

bool ClaimCondition::holds(const TokenValues& values) const {
  const auto found = values.claim(claim);
  if (!found) return std::holds_alternative<std::monostate>(value);
  return std::visit(Equals{*found}, value);
}

bool PermissionRule::concerns(const Identity& identity, const TokenValues& values) const {
  const bool has_role =
      roles.empty() || std::ranges::any_of(roles, [&](const std::string& role) { return identity.has_role(role); });
  return has_role && std::ranges::all_of(claims, [&](const ClaimCondition& claim) { return claim.holds(values); });
}

PermissionRules PermissionRules::built_in() {
  PermissionRules built_in;
  built_in.rules = {
      {.effect = Effect::allow,
       .publish = true,
       .subscribe = true,
       .topics = templates({"app/users/{sub}/#", "users/{sub}/#", "notifications/{sub}", "notifications/{sub}/#",
                            "app/chat/direct/{sub}/+", "app/chat/direct/+/{sub}"})},
      {.effect = Effect::allow,
       .publish = true,
       .subscribe = true,
       .roles = {"admin", "service_role"},
       .topics = templates({"#", "$SYS/#"})},
      {.effect = Effect::allow, .subscribe = true, .topics = templates({"app/users/+/status", "users/+/status"})},
      {.effect = Effect::deny,
       .publish = true,
       .subscribe = true,
       .topics = templates({"app/users/#", "users/#", "notifications/#", "app/chat/direct/#", "$SYS/#"})},
      {.effect = Effect::deny, .publish = true, .topics = templates({"app/broadcast/#"})},
      {.effect = Effect::allow, .publish = true, .subscribe = true, .topics = templates({"#"})},
  };
  built_in.reserved = always_reserved();
  return built_in;
}

std::vector<mqtt::TopicFilter> PermissionRules::always_reserved() {
  // Where the link's fences are: its topic of choice, and the one that it falls back on.
  return {*mqtt::TopicFilter::parse("$famemely/#"), *mqtt::TopicFilter::parse(std::string(kFallbackFences) + "#")};
}

}  // namespace famemely::gateway
