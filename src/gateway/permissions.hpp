#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "gateway/identity.hpp"
#include "gateway/permission_rules.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"

namespace famemely::gateway {

struct Decision {
  enum class Ground {
    reserved,    // a topic of the gateway itself
    token_list,  // the token's own `app_metadata.mqtt`
    rule,        // the rule with index `rule`
    no_rule,     // none decided
  };

  bool allowed = false;
  Ground ground = Ground::no_rule;
  std::size_t rule = 0;

  explicit operator bool() const { return allowed; }
  bool operator==(const Decision&) const = default;
};

/// What one identity may do under one policy: the rules that concern it, placeholders replaced once.
class Permissions {
 public:
  Permissions(std::shared_ptr<const PermissionPolicy> policy, const Identity& identity);

  /// The first rule one of whose topics matches the topic decides.
  [[nodiscard]] Decision decide_publish(const mqtt::TopicName& topic) const;
  /// The first rule with a topic that covers the whole filter decides, or, for deny rules, one that overlaps it at all.
  [[nodiscard]] Decision decide_subscribe(const mqtt::TopicFilter& filter) const;

 private:
  struct ApplicableRule {
    std::size_t index;
    std::vector<mqtt::TopicFilter> filters;  // of the templates with placeholders; the others stand in the policy
  };

  template <typename Predicate>
  [[nodiscard]] bool any_topic(const ApplicableRule& rule, Predicate predicate) const;

  std::shared_ptr<const PermissionPolicy> policy_;
  std::vector<ApplicableRule> rules_;
  std::vector<mqtt::TopicFilter> token_publish_;
  std::vector<mqtt::TopicFilter> token_subscribe_;
};

/// For a single question; a socket keeps its Permissions.
[[nodiscard]] Decision decide_publish(const PermissionPolicy& policy, const Identity& identity,
                                      const mqtt::TopicName& topic);
[[nodiscard]] Decision decide_subscribe(const PermissionPolicy& policy, const Identity& identity,
                                        const mqtt::TopicFilter& filter);

}  // namespace famemely::gateway
