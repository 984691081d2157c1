#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace famemely::mqtt {

/// Takes the data types of MQTT 5 section 1.5 from the front of bytes. Once something is missing, everything after it
/// is zero or empty and `failed` says so: a packet's fields are read in one go and judged at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  std::string_view take(std::size_t count) {
    if (rest_.size() < count) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return number(4); }
  /// Two bytes of length, then that many bytes: strings and binary data.
  std::string_view prefixed() { return take(u16()); }
  /// Fails over four bytes, and on more bytes than the value needs (section 1.5.5).
  std::uint32_t variable() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
      const std::uint8_t byte = u8();
      value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) != 0) continue;
      if (byte == 0 && shift > 0) failed_ = true;
      return value;
    }
    failed_ = true;
    return 0;
  }

 private:
  std::uint32_t number(std::size_t count) {
    std::uint32_t value = 0;
    for (char byte : take(count)) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace famemely::mqtt
