#include "protocol/mqtt/topic_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/mqtt/mqtt_text.hpp"

namespace famemely::mqtt {

std::optional<std::string> fault_of_topic_text(std::string_view text) {
  if (text.empty()) return "topic must not be empty";
  if (auto fault = fault_of_topic_size(text, {})) return fault;
  return fault_of_text("topic", text);
}

std::optional<std::string> fault_of_topic_size(std::string_view text, const TopicLimits& limits) {
  if (text.size() > limits.bytes) return fmt::format("topic must not be longer than {} bytes", limits.bytes);
  if (static_cast<std::size_t>(std::ranges::count(text, '/')) >= limits.levels)
    return fmt::format("topic must not have more than {} levels", limits.levels);
  return std::nullopt;
}

}  // namespace famemely::mqtt
