#include "base/utf8.hpp"

#include <cstring>

namespace famemely {

bool Utf8Validator::feed(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (pending_ == 0) {
      // Eight bytes of ASCII at a time: nearly all of what passes here.
      while (at + 8 <= bytes.size()) {
        std::uint64_t chunk;
        std::memcpy(&chunk, bytes.data() + at, 8);
        if (chunk & 0x8080808080808080ULL) break;
        at += 8;
      }
      if (at == bytes.size()) return true;
    }
    const auto byte = static_cast<std::uint8_t>(bytes[at++]);
    if (pending_ > 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xBF;
      --pending_;
    } else if (byte < 0x80) {
      continue;
    } else if (byte >= 0xC2 && byte <= 0xDF) {
      pending_ = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      pending_ = 2;
      if (byte == 0xE0) low_ = 0xA0;
      if (byte == 0xED) high_ = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      pending_ = 3;
      if (byte == 0xF0) low_ = 0x90;
      if (byte == 0xF4) high_ = 0x8F;
    } else {
      return false;
    }
  }
  return true;
}

bool is_utf8(std::string_view bytes) {
  Utf8Validator validator;
  return validator.feed(bytes) && validator.complete();
}

std::size_t well_formed_prefix(std::string_view bytes) {
  Utf8Validator validator;
  std::size_t good = 0;
  for (std::size_t at = 0; at < bytes.size() && validator.feed(bytes.substr(at, 1)); ++at)
    if (validator.complete()) good = at + 1;
  return good;
}

std::string as_utf8(std::string_view bytes) {
  std::string text;
  for (;;) {
    const std::size_t good = well_formed_prefix(bytes);
    text += bytes.substr(0, good);
    if (good == bytes.size()) return text;
    text += "\xEF\xBF\xBD";
    bytes.remove_prefix(good + 1);
  }
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t index) { return static_cast<std::uint8_t>(text[index]); };
  const auto continuation = [&] { return static_cast<char32_t>(byte(at++) & 0x3F); };
  const std::uint8_t first = byte(at++);
  if (first < 0x80) return first;
  char32_t code_point = first < 0xE0 ? first & 0x1F : first < 0xF0 ? first & 0x0F : first & 0x07;
  for (int left = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3; left > 0; --left)
    code_point = (code_point << 6) | continuation();
  return code_point;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t value) { out.push_back(static_cast<char>(static_cast<std::uint8_t>(value))); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace famemely
