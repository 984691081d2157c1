#include "protocol/mqtt/topic_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"

namespace famemely::mqtt {
namespace {

bool is_control(char32_t code_point) { return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F); }

bool is_non_character(char32_t code_point) {
  return (code_point >= 0xFDD0 && code_point <= 0xFDEF) || (code_point & 0xFFFE) == 0xFFFE;
}

}  // namespace

std::optional<std::string> fault_of_topic_text(std::string_view text) {
  if (text.empty()) return "topic must not be empty";
  if (auto fault = fault_of_topic_size(text, {})) return fault;
  if (!is_utf8(text)) return "topic must be valid UTF-8";
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code_point = next_code_point(text, at);
    if (code_point == 0) return "topic must not hold the null character";
    if (is_control(code_point)) return "topic must not hold control characters";
    if (is_non_character(code_point)) return "topic must not hold Unicode non-characters";
  }
  return std::nullopt;
}

std::optional<std::string> fault_of_topic_size(std::string_view text, const TopicLimits& limits) {
  if (text.size() > limits.bytes) return fmt::format("topic must not be longer than {} bytes", limits.bytes);
  if (static_cast<std::size_t>(std::ranges::count(text, '/')) >= limits.levels)
    return fmt::format("topic must not have more than {} levels", limits.levels);
  return std::nullopt;
}

}  // namespace famemely::mqtt
