#pragma once

#include <chrono>
#include <string>

namespace famemely {

/// A point of the monotonic clock. Protocol code never asks for it: whoever does I/O passes it in.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// A point of the wall clock, to the millisecond, in UTC.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Both clocks, read once for each batch of input.
struct Now {
  Instant instant;
  WallTime wall;
};

inline constexpr Instant kNever = Instant::max();

/// ISO 8601 in UTC with milliseconds, as JavaScript's `toISOString`: `2025-10-10T10:00:00.000Z`.
[[nodiscard]] std::string to_iso8601(WallTime time);

}  // namespace famemely
