#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What the tests of this room share.
namespace famemely::mqtt::testing {

/// Bytes from hexadecimal digits; spaces are skipped, and 'text' between quotes stands for itself.
inline std::string bytes(std::string_view written) {
  std::string result;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  for (std::size_t at = 0; at < written.size();) {
    if (written[at] == ' ') {
      ++at;
    } else if (written[at] == '\'') {
      const std::size_t end = written.find('\'', at + 1);
      result += written.substr(at + 1, end - at - 1);
      at = end + 1;
    } else {
      result += static_cast<char>(digit(written[at]) * 16 + digit(written[at + 1]));
      at += 2;
    }
  }
  return result;
}

/// The other way round, for failure messages and comparisons: `20 02 00 00`.
inline std::string hex(std::string_view raw) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  for (char c : raw) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (!result.empty()) result += ' ';
    result += kDigits[byte >> 4];
    result += kDigits[byte & 0xF];
  }
  return result;
}

}  // namespace famemely::mqtt::testing
