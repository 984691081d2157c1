#include "protocol/mqtt/mqtt_text.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace famemely::mqtt {
namespace {

bool is_control(char32_t code_point) { return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F); }

bool is_non_character(char32_t code_point) {
  return (code_point >= 0xFDD0 && code_point <= 0xFDEF) || (code_point & 0xFFFE) == 0xFFFE;
}

}  // namespace

bool is_mqtt_text(std::string_view text) { return text.find('\0') == std::string_view::npos && is_utf8(text); }

std::optional<std::string> fault_of_text(std::string_view name, std::string_view text) {
  if (!is_utf8(text)) return fmt::format("{} must be valid UTF-8", name);
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code_point = next_code_point(text, at);
    if (code_point == 0) return fmt::format("{} must not hold the null character", name);
    if (is_control(code_point)) return fmt::format("{} must not hold control characters", name);
    if (is_non_character(code_point)) return fmt::format("{} must not hold Unicode non-characters", name);
  }
  return std::nullopt;
}

}  // namespace famemely::mqtt
