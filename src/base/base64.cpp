#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace famemely {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reverse(std::string_view alphabet) {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}

void encode(std::string& out, std::string_view bytes, std::string_view alphabet, bool padded) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? std::uint32_t{static_cast<std::uint8_t>(bytes[i])} : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out.push_back(alphabet[group >> 18]);
    out.push_back(alphabet[(group >> 12) & 63]);
    if (i + 1 < bytes.size())
      out.push_back(alphabet[(group >> 6) & 63]);
    else if (padded)
      out.push_back('=');
    if (i + 2 < bytes.size())
      out.push_back(alphabet[group & 63]);
    else if (padded)
      out.push_back('=');
  }
}

std::optional<std::string> decode(std::string_view text, const std::array<std::int8_t, 256>& table) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out(text.size() * 3 / 4, '\0');
  std::size_t size = 0;
  std::uint32_t group = 0;
  int bits = 0;
  for (char letter : text) {
    const std::int8_t value = table[static_cast<std::uint8_t>(letter)];
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[size++] = static_cast<char>(static_cast<std::uint8_t>(group >> bits));
      group &= (1U << bits) - 1;
    }
  }
  if (group != 0) return std::nullopt;  // the bits after the last byte must be zero
  return out;
}

}  // namespace

void base64_append(std::string& out, std::string_view bytes) { encode(out, bytes, kStandard, true); }

std::string base64_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kStandard, true);
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  static constexpr auto kTable = reverse(kStandard);
  if (text.size() % 4 == 0)
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, kTable);
}

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kUrl, false);
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  static constexpr auto kTable = reverse(kUrl);
  return decode(text, kTable);
}

}  // namespace famemely
