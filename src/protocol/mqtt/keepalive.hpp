#pragma once

#include <algorithm>

#include "base/instant.hpp"

namespace famemely::mqtt {

/// When to ask whether the broker is there, and when to take it for dead (MQTT 5 section 3.1.2.10). A PINGREQ leaves
/// after one interval in which nothing was sent, or nothing came; half an interval later without any byte from the
/// broker, it is dead. Any byte is a sign of life: a PINGRESP may stand behind much else.
class Keepalive {
 public:
  enum class Verdict { fine, ping, dead };

  /// An interval of zero means never. It counts from when the CONNECT was sent, not from when its answer came.
  void start(Instant connect_sent, Instant now, Duration interval) {
    interval_ = interval;
    sent_ = connect_sent;
    received_ = now;
    pinged_ = false;
  }
  void stop() { interval_ = Duration::zero(); }
  void on_sent(Instant now) { sent_ = now; }
  void on_received(Instant now) {
    received_ = now;
    pinged_ = false;
  }
  [[nodiscard]] Instant deadline() const {
    if (interval_ == Duration::zero()) return kNever;
    return pinged_ ? ping_sent_ + interval_ / 2 : std::min(sent_, received_) + interval_;
  }
  /// The caller sends the PINGREQ that is asked for.
  [[nodiscard]] Verdict check(Instant now) {
    if (now < deadline()) return Verdict::fine;
    if (pinged_) return Verdict::dead;
    pinged_ = true;
    ping_sent_ = now;
    return Verdict::ping;
  }

 private:
  Duration interval_ = Duration::zero();
  Instant sent_;
  Instant received_;
  Instant ping_sent_;
  bool pinged_ = false;
};

}  // namespace famemely::mqtt
