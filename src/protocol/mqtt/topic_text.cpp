#include "protocol/mqtt/topic_text.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "protocol/mqtt/topic_name.hpp"

namespace famemely::mqtt {
namespace {

constexpr const char* kTooLong = "topic must not be longer than 65535 bytes";
constexpr const char* kTooDeep = "topic must not have more than 128 levels";

bool is_control(char32_t code_point) { return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F); }

bool is_non_character(char32_t code_point) {
  return (code_point >= 0xFDD0 && code_point <= 0xFDEF) || (code_point & 0xFFFE) == 0xFFFE;
}

}  // namespace

const char* fault_of_topic_text(std::string_view text) {
  if (text.empty()) return "topic must not be empty";
  if (text.size() > kTopicBytesMax) return kTooLong;
  if (!is_utf8(text)) return "topic must be valid UTF-8";
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code_point = next_code_point(text, at);
    if (code_point == 0) return "topic must not hold the null character";
    if (is_control(code_point)) return "topic must not hold control characters";
    if (is_non_character(code_point)) return "topic must not hold Unicode non-characters";
  }
  if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '/')) >= kTopicLevelsMax) return kTooDeep;
  return nullptr;
}

bool is_topic_limit(std::string_view fault) { return fault.contains(kTooLong) || fault.contains(kTooDeep); }

}  // namespace famemely::mqtt
