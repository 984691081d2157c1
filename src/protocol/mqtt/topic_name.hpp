#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace famemely::mqtt {

/// What a message is published to. Stricter than MQTT on purpose: control characters and non-characters are refused
/// too, because brokers drop the whole connection on those (MQTT 5 section 1.5.4 allows them to).
class TopicName {
 public:
  /// A refusal is a sentence for the client, such as `topic must not hold wildcards`.
  [[nodiscard]] static Result<TopicName, std::string> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const& { return text_; }
  [[nodiscard]] std::string text() && { return std::move(text_); }

  bool operator==(const TopicName&) const = default;

 private:
  explicit TopicName(std::string_view text) : text_(text) {}

  std::string text_;
};

}  // namespace famemely::mqtt

template <>
struct std::hash<famemely::mqtt::TopicName> {
  std::size_t operator()(const famemely::mqtt::TopicName& topic) const noexcept {
    return std::hash<std::string_view>{}(topic.text());
  }
};
