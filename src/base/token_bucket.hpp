#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/instant.hpp"

namespace famemely {

/// So many a second, and twice as many at once after a rest.
struct Rate {
  std::uint32_t per_second;

  /// The time from one to the next.
  [[nodiscard]] Duration interval() const { return Duration(std::chrono::seconds(1)) / per_second; }
  [[nodiscard]] Duration burst() const { return interval() * (2 * std::int64_t{per_second} - 1); }
};

/// A bucket of tokens that any number of threads take from, without a lock: all it remembers is when the next token
/// would come if they came one by one (the generic cell rate algorithm of ITU-T I.371).
class TokenBucket {
 public:
  /// Takes a token. Nothing: it is taken; else how long until there is one.
  [[nodiscard]] std::optional<Duration> take(Instant now, Rate rate) {
    const std::int64_t present = now.time_since_epoch().count();
    std::int64_t next = next_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t from = next > present ? next : present;
      const std::int64_t early = from - present - rate.burst().count();
      if (early > 0) return Duration(early);
      if (next_.compare_exchange_weak(next, from + rate.interval().count(), std::memory_order_relaxed))
        return std::nullopt;
    }
  }
  /// True if nobody would notice that it is replaced by a new one.
  [[nodiscard]] bool full(Instant now) const {
    return next_.load(std::memory_order_relaxed) <= now.time_since_epoch().count();
  }

 private:
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);
  std::atomic<std::int64_t> next_{0};
};

}  // namespace famemely
