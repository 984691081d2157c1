#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/instant.hpp"
#include "base/random_source.hpp"

namespace famemely::gateway {

/// When to try the broker again: at once after a connection that lasted, then after a random part ("full jitter") of a
/// time that doubles from `min` to `max`. A connection that was accepted and gone within `min` counts as one more
/// failure: a broker that drops us as soon as it has us is not to be hammered.
class ReconnectPolicy {
 public:
  ReconnectPolicy(std::chrono::milliseconds min, std::chrono::milliseconds max) : min_(min), max_(std::max(min, max)) {}

  /// A connection was accepted by the broker.
  void on_success(Instant now) { accepted_at_ = now; }

  /// The connection, or the attempt, has failed: how long to wait.
  [[nodiscard]] Duration on_failure(Instant now, RandomSource& random) {
    if (const auto accepted = std::exchange(accepted_at_, std::nullopt); accepted && now - *accepted >= min_)
      failures_ = 0;
    if (failures_++ == 0) return Duration::zero();
    const std::uint32_t doublings = std::min<std::uint32_t>(failures_ - 2, 20);
    const auto bound = std::min<std::chrono::milliseconds>(max_, min_ * (std::int64_t{1} << doublings));
    return std::chrono::duration_cast<Duration>(bound * random_fraction(random));
  }

 private:
  std::chrono::milliseconds min_;
  std::chrono::milliseconds max_;
  std::uint32_t failures_ = 0;  // since the last connection that lasted
  std::optional<Instant> accepted_at_;
};

}  // namespace famemely::gateway
