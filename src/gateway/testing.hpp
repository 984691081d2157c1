#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/logger.hpp"
#include "base/random_source.hpp"

/// What the tests of this room share.
namespace famemely::gateway::testing {

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint32_t seed = 1) : random_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  }

 private:
  std::mt19937 random_;
};

/// Keeps the events of warnings and worse.
class WarningLogger final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>&) override { warnings.emplace_back(event); }

  std::vector<std::string> warnings;
};

}  // namespace famemely::gateway::testing
