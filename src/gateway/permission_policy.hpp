#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/permission_rules.hpp"
#include "protocol/mqtt/filter_trie.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"

namespace famemely::gateway {

/// The rules, made ready for questions: topics that are the same for everybody stand in tries, so that a question costs
/// what agrees with the topic, not what there is. Immutable; all workers share one.
class PermissionPolicy {
 public:
  /// A topic with placeholders: it is another filter for each token.
  struct Templated {
    std::size_t rule;
    const TopicTemplate* topic;
  };
  /// By rule: whether it concerns somebody.
  using Concerned = std::vector<bool>;

  explicit PermissionPolicy(PermissionRules rules);
  PermissionPolicy(const PermissionPolicy&) = delete;
  PermissionPolicy& operator=(const PermissionPolicy&) = delete;
  PermissionPolicy(PermissionPolicy&&) noexcept = default;
  PermissionPolicy& operator=(PermissionPolicy&&) noexcept = default;
  ~PermissionPolicy() = default;

  [[nodiscard]] static PermissionPolicy built_in() { return PermissionPolicy(PermissionRules::built_in()); }

  [[nodiscard]] const PermissionRule& rule(std::size_t index) const { return rules_.rules[index]; }
  [[nodiscard]] std::size_t rule_count() const { return rules_.rules.size(); }
  [[nodiscard]] const std::string& source() const { return rules_.source; }
  [[nodiscard]] const std::vector<mqtt::TopicFilter>& reserved() const { return rules_.reserved; }

  /// Which rules concern this identity.
  [[nodiscard]] Concerned concerned(const Identity& identity, const TokenValues& values) const;
  /// In the order of the rules.
  [[nodiscard]] std::span<const Templated> templated() const { return templated_; }

  // The first rule of those that concern somebody which decides by a topic without placeholders.
  [[nodiscard]] std::optional<std::size_t> first_for_publish(const mqtt::TopicName& topic,
                                                             const Concerned& concerned) const;
  [[nodiscard]] std::optional<std::size_t> first_for_subscribe(const mqtt::TopicFilter& filter,
                                                               const Concerned& concerned) const;

 private:
  /// The fixed topics of one operation, and the rules that each stands in, in their order.
  struct Topics {
    struct Place {
      const mqtt::TopicFilter* topic;
      std::vector<std::uint32_t> rules;
    };
    mqtt::FilterTrie trie;
    std::vector<Place> places;

    void add(const mqtt::TopicFilter& topic, std::size_t rule);
  };

  PermissionRules rules_;
  Topics publish_;
  Topics subscribe_;
  std::vector<Templated> templated_;
  std::vector<std::size_t> particular_;  // rules with roles or claims
};

}  // namespace famemely::gateway
