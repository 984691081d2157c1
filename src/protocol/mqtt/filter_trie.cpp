#include "protocol/mqtt/filter_trie.hpp"

#include <array>

#include "protocol/mqtt/topic_text.hpp"

namespace famemely::mqtt {
namespace {

/// The filter without its last level `#` (empty for `#` itself), which is a mark on the node before it.
struct SplitFilter {
  std::string_view levels;
  bool hash;
};

SplitFilter split(std::string_view filter) {
  if (filter == "#") return {{}, true};
  if (filter.ends_with("/#")) return {filter.substr(0, filter.size() - 2), true};
  return {filter, false};
}

}  // namespace

FilterTrie::FilterTrie() { nodes_.emplace_back(); }

FilterTrie::NodeIndex FilterTrie::child(NodeIndex parent, std::string_view level) const {
  const Node& node = nodes_[parent];
  if (level == "+") return node.plus;
  const auto found = node.children.find(level);
  return found == node.children.end() ? kNone : found->second;
}

FilterTrie::NodeIndex FilterTrie::make_child(NodeIndex parent, std::string_view level) {
  NodeIndex made;
  if (free_nodes_.empty()) {
    made = static_cast<NodeIndex>(nodes_.size());
    nodes_.emplace_back();
  } else {
    made = free_nodes_.back();
    free_nodes_.pop_back();
  }
  if (level == "+")
    nodes_[parent].plus = made;
  else
    nodes_[parent].children.emplace(level, made);
  return made;
}

void FilterTrie::drop_child(NodeIndex parent, std::string_view level) {
  Node& node = nodes_[parent];
  free_nodes_.push_back(child(parent, level));
  if (level == "+")
    node.plus = kNone;
  else
    node.children.erase(node.children.find(level));
}

void FilterTrie::insert(const TopicFilter& filter, std::uint32_t id) {
  const auto [levels, hash] = split(filter.text());
  NodeIndex at = kRoot;
  if (filter.text() != "#") {
    for (LevelCursor cursor(levels); !cursor.done();) {
      const std::string_view level = cursor.next();
      const NodeIndex next = child(at, level);
      at = next == kNone ? make_child(at, level) : next;
    }
  }
  std::optional<std::uint32_t>& place = hash ? nodes_[at].hash_id : nodes_[at].id;
  if (!place) ++size_;
  place = id;
}

std::optional<std::uint32_t> FilterTrie::erase(const TopicFilter& filter) {
  struct Step {
    NodeIndex parent;
    std::string_view level;
  };
  std::array<Step, kTopicLevelsMax> path;
  std::size_t depth = 0;
  const auto [levels, hash] = split(filter.text());
  NodeIndex at = kRoot;
  if (filter.text() != "#") {
    for (LevelCursor cursor(levels); !cursor.done();) {
      const std::string_view level = cursor.next();
      path[depth++] = {at, level};
      at = child(at, level);
      if (at == kNone) return std::nullopt;
    }
  }
  std::optional<std::uint32_t>& place = hash ? nodes_[at].hash_id : nodes_[at].id;
  const std::optional<std::uint32_t> before = std::exchange(place, std::nullopt);
  if (!before) return std::nullopt;
  --size_;
  for (; depth > 0; --depth) {
    const Step& step = path[depth - 1];
    if (!nodes_[child(step.parent, step.level)].unused()) break;
    drop_child(step.parent, step.level);
  }
  return before;
}

std::optional<std::uint32_t> FilterTrie::find(const TopicFilter& filter) const {
  const auto [levels, hash] = split(filter.text());
  NodeIndex at = kRoot;
  if (filter.text() != "#") {
    for (LevelCursor cursor(levels); !cursor.done();) {
      at = child(at, cursor.next());
      if (at == kNone) return std::nullopt;
    }
  }
  return hash ? nodes_[at].hash_id : nodes_[at].id;
}

void FilterTrie::match(std::string_view topic, std::vector<std::uint32_t>& ids) const {
  struct Pending {
    NodeIndex node;
    LevelCursor levels;
  };
  // Depth first: at most one sibling waits for each level of the trie, and filters have no more than the maximum.
  std::array<Pending, kTopicLevelsMax + 2> pending;
  std::size_t count = 0;
  pending[count++] = {kRoot, LevelCursor(topic)};
  const bool reserved = topic.starts_with('$');
  while (count > 0) {
    auto [at, levels] = pending[--count];
    const Node& node = nodes_[at];
    const bool wildcard_allowed = at != kRoot || !reserved;
    if (node.hash_id && wildcard_allowed) ids.push_back(*node.hash_id);
    if (levels.done()) {
      if (node.id) ids.push_back(*node.id);
      continue;
    }
    const std::string_view level = levels.next();
    if (node.plus != kNone && wildcard_allowed) pending[count++] = {node.plus, levels};
    const auto found = node.children.find(level);
    if (found != node.children.end()) pending[count++] = {found->second, levels};
  }
}

void FilterTrie::overlapping(const TopicFilter& filter, std::vector<std::uint32_t>& ids) const {
  struct Pending {
    NodeIndex node;
    LevelCursor levels;
  };
  const auto [levels, hash] = split(filter.text());
  if (filter.text() == "#") return collect(kRoot, ids);
  std::vector<Pending> pending{{kRoot, LevelCursor(levels)}};
  while (!pending.empty()) {
    auto [at, rest] = pending.back();
    pending.pop_back();
    const Node& node = nodes_[at];
    if (rest.done()) {
      if (hash) {
        collect(at, ids);
        continue;
      }
      if (node.id) ids.push_back(*node.id);
      if (node.hash_id) ids.push_back(*node.hash_id);
      continue;
    }
    const std::string_view level = rest.next();
    const bool reserved = at == kRoot && level.starts_with('$');
    if (node.hash_id && !reserved) ids.push_back(*node.hash_id);
    if (node.plus != kNone && !reserved) pending.push_back({node.plus, rest});
    if (level != "+") {
      if (const auto found = node.children.find(level); found != node.children.end())
        pending.push_back({found->second, rest});
      continue;
    }
    for (const auto& [name, next] : node.children)
      if (at != kRoot || !name.starts_with('$')) pending.push_back({next, rest});
  }
  // The one level that `+` and `/#` have in common is the empty one, and no topic is empty.
  const std::string_view text = filter.text();
  if (text != "+" && text != "/#") return;
  if (const auto other = find(*TopicFilter::parse(text == "+" ? "/#" : "+"))) std::erase(ids, *other);
}

void FilterTrie::collect(NodeIndex from, std::vector<std::uint32_t>& ids) const {
  std::vector<NodeIndex> pending{from};
  while (!pending.empty()) {
    const NodeIndex at = pending.back();
    pending.pop_back();
    const Node& node = nodes_[at];
    if (node.id) ids.push_back(*node.id);
    if (node.hash_id) ids.push_back(*node.hash_id);
    if (node.plus != kNone) pending.push_back(node.plus);
    for (const auto& [name, next] : node.children)
      if (at != kRoot || !name.starts_with('$')) pending.push_back(next);
  }
}

}  // namespace famemely::mqtt
