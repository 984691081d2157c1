#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/identity.hpp"
#include "gateway/permission_policy.hpp"
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

/// What decided, for people: `rule 4 of the built-in policy`, `rule 2 (permissions.yaml:7)`, `no rule`.
[[nodiscard]] std::string to_text(const Decision& decision, const PermissionPolicy& policy);

/// What one identity may do under one policy: the rules that concern it, placeholders replaced once, and what has been
/// decided lately. For one thread.
class Permissions {
 public:
  /// Decisions that are remembered at most, of each kind; beyond it all are forgotten. And the longest topic of one.
  static constexpr std::size_t kDecisionsMax = 64;
  static constexpr std::size_t kRememberedTopicBytesMax = 256;

  Permissions(std::shared_ptr<const PermissionPolicy> policy, const Identity& identity);

  /// The first rule one of whose topics matches the topic decides.
  [[nodiscard]] Decision decide_publish(const mqtt::TopicName& topic) const;
  /// The first rule with a topic that covers the whole filter decides, or, for deny rules, one that overlaps it at all.
  [[nodiscard]] Decision decide_subscribe(const mqtt::TopicFilter& filter) const;

  [[nodiscard]] const PermissionPolicy& policy() const { return *policy_; }
  /// Topics with placeholders, each of which a decision may have to look at.
  [[nodiscard]] std::size_t own_topic_count() const { return own_.size(); }
  [[nodiscard]] std::size_t remembered() const { return published_.size() + subscribed_.size(); }

 private:
  /// A topic with placeholders, replaced.
  struct OwnTopic {
    std::size_t rule;
    mqtt::TopicFilter filter;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Decisions = std::unordered_map<std::string, Decision, TextHash, std::equal_to<>>;

  [[nodiscard]] Decision find_publish(const mqtt::TopicName& topic) const;
  [[nodiscard]] Decision find_subscribe(const mqtt::TopicFilter& filter) const;
  [[nodiscard]] Decision by_rule(std::optional<std::size_t> rule) const;

  std::shared_ptr<const PermissionPolicy> policy_;
  PermissionPolicy::Concerned concerned_;
  std::vector<OwnTopic> own_;  // in the order of the rules
  std::vector<mqtt::TopicFilter> token_publish_;
  std::vector<mqtt::TopicFilter> token_subscribe_;
  mutable Decisions published_;
  mutable Decisions subscribed_;
};

}  // namespace famemely::gateway
