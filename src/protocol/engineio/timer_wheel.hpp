#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/instant.hpp"

namespace famemely::engineio {

/// One deadline for each of many small numbers, set, moved and cancelled in constant time. Deadlines are kept to a
/// tick: none fires early, none more than a tick late. What is further away than a lap of the wheel (41 s with ticks of
/// 10 ms) waits in its place for a later one.
class TimerWheel {
 public:
  struct Due {
    std::uint32_t id;
    Instant deadline;  // to the tick
  };

  explicit TimerWheel(Duration tick);

  /// Ticks that suit timeouts of this length: a two-hundredth of it, from 1 to 10 ms.
  [[nodiscard]] static Duration tick_for(Duration timeout);

  void set(std::uint32_t id, Instant deadline);
  void cancel(std::uint32_t id);
  /// Takes one number whose deadline has passed; nothing when there is none left. Each is cancelled as it is taken.
  [[nodiscard]] std::optional<Due> take_due(Instant now);
  /// No deadline is due before this; kNever if there is none.
  [[nodiscard]] Instant next() const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::size_t kPlaces = 4096;
  static constexpr std::int64_t kUnset = -1;

  struct Node {
    std::int64_t tick = kUnset;
    std::uint32_t before = kNone;
    std::uint32_t after = kNone;
  };

  [[nodiscard]] static std::size_t place_of(std::int64_t tick) { return static_cast<std::size_t>(tick) % kPlaces; }
  /// The first place from this one on, going round, that holds anything; its distance.
  [[nodiscard]] std::optional<std::size_t> first_used(std::size_t from) const;

  [[nodiscard]] std::int64_t tick_at_or_before(Instant time) const { return time.time_since_epoch() / tick_; }
  [[nodiscard]] std::int64_t tick_at_or_after(Instant time) const;

  Duration tick_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> places_;               // the first node of each
  std::array<std::uint64_t, kPlaces / 64> used_{};  // a bit for each place that holds any
  std::int64_t current_ = 0;                        // every tick before this one has been looked at
  std::size_t count_ = 0;
};

}  // namespace famemely::engineio
