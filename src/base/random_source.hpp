#pragma once

#include <cstdint>
#include <span>

namespace famemely {

/// Chance as an argument: the server passes the operating system's generator, tests a seeded one.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Secrets are made of these bytes, so in the server they come from a CSPRNG.
  virtual void fill(std::span<std::uint8_t> bytes) = 0;
};

/// Uniform in [0, 1).
[[nodiscard]] inline double random_fraction(RandomSource& random) {
  std::uint8_t bytes[8];
  random.fill(bytes);
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes) value = value << 8 | byte;
  return static_cast<double>(value >> 11) * 0x1.0p-53;
}

}  // namespace famemely
