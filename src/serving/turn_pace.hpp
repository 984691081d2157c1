#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "base/instant.hpp"

namespace famemely::serving {

/// Decides when a loop pauses before it looks for events again. A loop that is woken for every single acknowledgement
/// spends more on being woken than on the acknowledgements; after a short pause several have come. It pauses only in a
/// streak of short turns that follow each other closely: not when there is little to do, not when there is so much that
/// turns are long, and not where a message is delivered, which nothing shall delay.
class TurnPace {
 public:
  static constexpr std::chrono::microseconds kPause{350};
  /// Turns further apart than this are no streak.
  static constexpr std::chrono::microseconds kGapMax{250};
  /// A longer turn has gathered enough.
  static constexpr std::chrono::microseconds kTurnMax{150};
  static constexpr std::uint32_t kStreak = 16;

  /// The first event of a turn is here; later ones of the same turn do not count.
  void on_begin(Instant now) {
    if (in_turn_) return;
    in_turn_ = true;
    streak_ = now - ended_ < kGapMax ? streak_ + 1 : 0;
    begun_ = now;
  }
  /// The turn delivers a message.
  void on_message() { streak_ = 0; }
  /// The turn is over: how long to pause.
  [[nodiscard]] Duration on_end(Instant now) {
    in_turn_ = false;
    const Duration pause = streak_ >= kStreak && now - begun_ < kTurnMax ? Duration(kPause) : Duration::zero();
    ended_ = now + pause;
    return pause;
  }

 private:
  bool in_turn_ = false;
  std::uint32_t streak_ = 0;
  Instant begun_{};
  Instant ended_{};
};

/// Sleeps; nothing happens for no pause.
inline void pause(Duration duration) {
  if (duration > Duration::zero()) std::this_thread::sleep_for(duration);
}

}  // namespace famemely::serving
