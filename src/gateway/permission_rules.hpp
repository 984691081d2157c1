#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "base/decimal.hpp"
#include "gateway/claim_path.hpp"
#include "gateway/identity.hpp"
#include "gateway/permission_template.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::gateway {

/// A claim that must equal a value. An absent claim equals only null.
struct ClaimCondition {
  using Value = std::variant<std::monostate, bool, Decimal, std::string>;  // nothing: null

  ClaimPath claim;
  Value value;

  [[nodiscard]] bool holds(const TokenValues& values) const;
  bool operator==(const ClaimCondition&) const = default;
};

/// One rule of the list: what it does, for whom, and on which topics.
struct PermissionRule {
  enum class Effect { allow, deny };

  Effect effect = Effect::allow;
  bool publish = false;
  bool subscribe = false;
  std::vector<std::string> roles{};      // any of them; empty: everybody
  std::vector<ClaimCondition> claims{};  // all of them
  std::vector<TopicTemplate> topics{};
  std::size_t line = 0;  // of the file, counted from 1

  /// True if it is for everybody.
  [[nodiscard]] bool is_general() const { return roles.empty() && claims.empty(); }
  [[nodiscard]] bool concerns(const Identity& identity, const TokenValues& values) const;
  bool operator==(const PermissionRule&) const = default;
};

/// The rules in their order, as PERMISSIONS_FILE has them.
struct PermissionRules {
  std::vector<PermissionRule> rules{};
  /// Topics of the gateway itself, MQTT_FENCE_TOPIC among them: nobody has any right on them, whatever rules and
  /// tokens say. A wider filter may reach one that does not begin with `$`; the bridge hands out no message of them.
  std::vector<mqtt::TopicFilter> reserved{};
  /// The file that they are from, as people know it; empty: the built-in ones.
  std::string source{};

  /// A user's own space is private but for the status, announcements come from the backend, the rest is open. Reserves
  /// `$famemely/#`.
  [[nodiscard]] static PermissionRules built_in();
  /// What no rules can give: see `reserved`.
  [[nodiscard]] static std::vector<mqtt::TopicFilter> always_reserved();
};

}  // namespace famemely::gateway
