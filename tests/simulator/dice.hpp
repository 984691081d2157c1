#pragma once

#include <cstddef>
#include <cstdint>

#include "base/instant.hpp"

namespace famemely::mqtt::simulator {

/// All chance of a run, from its seed alone: SplitMix64, written out because the distributions of the standard library
/// differ between its makers.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 0x1234567) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
  }
  /// From 0 to `end` - 1.
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(next() % end); }
  /// Both ends included.
  std::size_t between(std::size_t first, std::size_t last) { return first + below(last - first + 1); }
  Duration between(Duration first, Duration last) {
    return first + Duration(static_cast<Duration::rep>(below(static_cast<std::size_t>((last - first).count()) + 1)));
  }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename Value, std::size_t count>
  const Value& pick(const Value (&values)[count]) {
    return values[below(count)];
  }

 private:
  std::uint64_t state_;
};

}  // namespace famemely::mqtt::simulator
