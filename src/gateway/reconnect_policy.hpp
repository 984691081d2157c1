#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/instant.hpp"
#include "base/random_source.hpp"

namespace famemely::gateway {

/// When to try the broker again: at once after a connection that worked, then after a random part ("full jitter") of a
/// time that doubles from `min` to `max`.
class ReconnectPolicy {
 public:
  ReconnectPolicy(std::chrono::milliseconds min, std::chrono::milliseconds max) : min_(min), max_(std::max(min, max)) {}

  /// A connection was accepted by the broker.
  void on_success() { failures_ = 0; }

  /// The connection, or the attempt, has failed: how long to wait.
  [[nodiscard]] Duration on_failure(RandomSource& random) {
    if (failures_++ == 0) return Duration::zero();
    const std::uint32_t doublings = std::min<std::uint32_t>(failures_ - 2, 20);
    const auto bound = std::min<std::chrono::milliseconds>(max_, min_ * (std::int64_t{1} << doublings));
    return std::chrono::duration_cast<Duration>(bound * random_fraction(random));
  }

 private:
  std::chrono::milliseconds min_;
  std::chrono::milliseconds max_;
  std::uint32_t failures_ = 0;  // since the last success
};

}  // namespace famemely::gateway
