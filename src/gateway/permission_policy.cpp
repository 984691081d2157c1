#include "gateway/permission_policy.hpp"

#include <utility>

#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {

PermissionPolicy::PermissionPolicy(PermissionRules rules) : rules_(std::move(rules)) {
  for (std::size_t index = 0; index < rules_.rules.size(); ++index) {
    const PermissionRule& rule = rules_.rules[index];
    if (!rule.is_general()) particular_.push_back(index);
    for (const TopicTemplate& topic : rule.topics) {
      if (!topic.fixed()) {
        templated_.push_back({index, &topic});
        continue;
      }
      if (rule.publish) publish_.add(*topic.fixed(), index);
      if (rule.subscribe) subscribe_.add(*topic.fixed(), index);
    }
  }
}

void PermissionPolicy::Topics::add(const mqtt::TopicFilter& topic, std::size_t rule) {
  auto place = trie.find(topic);
  if (!place) {
    place = static_cast<std::uint32_t>(places.size());
    places.push_back({&topic, {}});
    trie.insert(topic, *place);
  }
  places[*place].rules.push_back(static_cast<std::uint32_t>(rule));
}

PermissionPolicy::Concerned PermissionPolicy::concerned(const Identity& identity, const TokenValues& values) const {
  Concerned concerned(rules_.rules.size(), true);
  for (const std::size_t index : particular_) concerned[index] = rules_.rules[index].concerns(identity, values);
  return concerned;
}

std::optional<std::size_t> PermissionPolicy::first_for_publish(const mqtt::TopicName& topic,
                                                               const Concerned& concerned) const {
  std::vector<std::uint32_t> matching;
  publish_.trie.match(topic.text(), matching);
  std::optional<std::size_t> first;
  for (const std::uint32_t place : matching) {
    for (const std::uint32_t rule : publish_.places[place].rules) {
      if (first && rule >= *first) break;
      if (!concerned[rule]) continue;
      first = rule;
      break;
    }
  }
  return first;
}

std::optional<std::size_t> PermissionPolicy::first_for_subscribe(const mqtt::TopicFilter& filter,
                                                                 const Concerned& concerned) const {
  std::vector<std::uint32_t> overlapping;
  subscribe_.trie.overlapping(filter, overlapping);
  std::optional<std::size_t> first;
  for (const std::uint32_t place : overlapping) {
    std::optional<bool> covers;  // asked only if an allow rule wants to know
    for (const std::uint32_t rule : subscribe_.places[place].rules) {
      if (first && rule >= *first) break;
      if (!concerned[rule]) continue;
      if (rules_.rules[rule].effect == PermissionRule::Effect::allow) {
        if (!covers) covers = mqtt::covers(*subscribe_.places[place].topic, filter);
        if (!*covers) continue;
      }
      first = rule;
      break;
    }
  }
  return first;
}

}  // namespace famemely::gateway
