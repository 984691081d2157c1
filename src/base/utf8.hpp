#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace famemely {

/// Well-formed UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view bytes);
/// How many bytes of the beginning are well-formed, whole characters only.
[[nodiscard]] std::size_t well_formed_prefix(std::string_view bytes);
/// For what a peer sent and a text is to show: bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string as_utf8(std::string_view bytes);

/// Validates UTF-8 that arrives in pieces, such as a fragmented WebSocket text message.
class Utf8Validator {
 public:
  /// False as soon as the bytes so far can't begin a well-formed text.
  [[nodiscard]] bool feed(std::string_view bytes);
  /// True if the text may end here.
  [[nodiscard]] bool complete() const { return pending_ == 0; }

 private:
  int pending_ = 0;          // continuation bytes still due
  std::uint8_t low_ = 0x80;  // bounds for the next of them
  std::uint8_t high_ = 0xBF;
};

/// Takes the code point that begins at `at`, and moves `at` past it. The text must be well-formed.
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& at);

void append_utf8(std::string& out, char32_t code_point);

}  // namespace famemely
