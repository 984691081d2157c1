#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::mqtt {

/// Maps filters to numbers and finds those that match a topic. The cost of a match depends on the levels of the topic
/// and on the filters that agree with it so far, not on how many filters there are.
class FilterTrie {
 public:
  FilterTrie();

  /// Replaces the number of a filter that is already held.
  void insert(const TopicFilter& filter, std::uint32_t id);
  /// The number that the filter had, or nothing if it was not held.
  std::optional<std::uint32_t> erase(const TopicFilter& filter);
  [[nodiscard]] std::optional<std::uint32_t> find(const TopicFilter& filter) const;
  /// Appends the numbers of all matching filters, in no particular order. The topic may come straight from a packet.
  void match(std::string_view topic, std::vector<std::uint32_t>& ids) const;

  /// Appends the numbers of all filters that have a topic in common with this one, itself included if it is held, in no
  /// particular order. The cost depends on the filters that agree with it, level by level, not on how many there are.
  void overlapping(const TopicFilter& filter, std::vector<std::uint32_t>& ids) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Nodes in use: what memory grows with.
  [[nodiscard]] std::size_t node_count() const { return nodes_.size() - free_nodes_.size(); }

 private:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex kRoot = 0;
  static constexpr NodeIndex kNone = UINT32_MAX;

  struct LevelHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view level) const noexcept { return std::hash<std::string_view>{}(level); }
  };
  struct Node {
    std::unordered_map<std::string, NodeIndex, LevelHash, std::equal_to<>> children;
    std::optional<std::uint32_t> id;       // of the filter that ends here
    std::optional<std::uint32_t> hash_id;  // of the filter that ends here with a further `/#`
    NodeIndex plus = kNone;                // the child for `+`

    [[nodiscard]] bool unused() const { return children.empty() && !id && !hash_id && plus == kNone; }
  };

  [[nodiscard]] NodeIndex child(NodeIndex parent, std::string_view level) const;
  NodeIndex make_child(NodeIndex parent, std::string_view level);
  void drop_child(NodeIndex parent, std::string_view level);
  /// Appends the numbers of all filters from this node on; below the root without those of topics that begin with `$`.
  void collect(NodeIndex from, std::vector<std::uint32_t>& ids) const;

  std::deque<Node> nodes_;  // nodes_[0] is the root
  std::vector<NodeIndex> free_nodes_;
  std::size_t size_ = 0;
};

}  // namespace famemely::mqtt
