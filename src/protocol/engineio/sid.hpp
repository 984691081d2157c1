#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random_source.hpp"

namespace famemely::engineio {

/// A session id: 20 URL-safe characters that stand for 112 bits of chance and, hidden among them, the index of the
/// worker that owns the session. Whoever knows it can take the session over, so it is a secret of the client's.
class Sid {
 public:
  Sid() = default;
  [[nodiscard]] static Sid make(RandomSource& random, std::uint8_t owner);
  [[nodiscard]] static std::optional<Sid> parse(std::string_view text);

  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint8_t owner() const;
  /// 64 of the random bits, for a table.
  [[nodiscard]] std::uint64_t hash() const;

  bool operator==(const Sid&) const = default;

 private:
  static constexpr std::size_t kBytes = 15;

  [[nodiscard]] std::uint8_t veil() const;

  std::array<std::uint8_t, kBytes> bytes_{};
};

}  // namespace famemely::engineio
