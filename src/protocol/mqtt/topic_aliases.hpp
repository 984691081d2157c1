#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace famemely::mqtt {

/// The aliases that the broker gives to topics (MQTT 5 section 3.3.2.3.4), for one connection at a time.
class InboundTopicAliases {
 public:
  /// The highest alias that we announced.
  explicit InboundTopicAliases(std::uint16_t maximum) : topics_(std::size_t{maximum} + 1) {}

  [[nodiscard]] bool allows(std::uint16_t alias) const { return alias > 0 && alias < topics_.size(); }
  /// `alias` must be allowed.
  void set(std::uint16_t alias, std::string_view topic);
  /// The topic, or nothing if the alias has none; `alias` must be allowed.
  [[nodiscard]] std::optional<std::string_view> find(std::uint16_t alias) const;
  /// A connection has ended, and its aliases with it.
  void clear();
  /// Topics that are replaced or cleared stay valid until this is called.
  void free_retired() { retired_.clear(); }

 private:
  std::vector<std::unique_ptr<const std::string>> topics_;
  std::vector<std::unique_ptr<const std::string>> retired_;
};

/// The aliases that we give. The first topics of a connection get one and keep it: a gateway's busy topics are among
/// them soon, and nothing is ever displaced in vain.
class OutboundTopicAliases {
 public:
  struct Use {
    std::uint16_t alias;  // 0: none
    bool known;           // the broker has been told: the topic may be left out
  };

  void start(std::uint16_t maximum);
  /// The alias to send with the topic, which is then known.
  [[nodiscard]] Use use(std::string_view topic);

 private:
  struct TopicHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view topic) const noexcept { return std::hash<std::string_view>{}(topic); }
  };

  std::unordered_map<std::string, std::uint16_t, TopicHash, std::equal_to<>> aliases_;
  std::uint16_t maximum_ = 0;
};

}  // namespace famemely::mqtt
