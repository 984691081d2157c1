#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/instant.hpp"

namespace famemely::mqtt::simulator {

/// A hash of all bytes and events of a run, and, if asked for, a line on the standard output for each.
class Trace {
 public:
  explicit Trace(bool printing) : printing_(printing) {}

  Instant now{};

  [[nodiscard]] bool printing() const { return printing_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  void bytes(std::string_view text) {
    for (char c : text) digest_ = (digest_ ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  }
  /// `describe` is asked only if somebody reads it.
  template <typename Describe>
  void line(std::size_t link, const char* who, Describe describe) {
    if (!printing_) return;
    const auto ms = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
    std::printf("%10.3f  c%-3zu %-9s %s\n", static_cast<double>(ms) / 1e6 - 3600, link, who,
                std::string(describe()).c_str());
  }

 private:
  bool printing_;
  std::uint64_t digest_ = 0xCBF29CE484222325;
};

}  // namespace famemely::mqtt::simulator
