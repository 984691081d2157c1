#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "base/instant.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::socketio {

/// Spreads the closing of all sockets over a while, so that their clients reconnect elsewhere without a stampede:
/// evenly until half of the time is over, a few sockets sooner. The first waits for a step as well: what its client had
/// sent by the beginning is read meanwhile.
class SocketCloser {
 public:
  static constexpr std::chrono::milliseconds kStepMax{20};

  void begin(std::vector<SocketId> sockets, Instant now, Instant done_by) {
    sockets_ = std::move(sockets);
    begun_ = now;
    const auto count = static_cast<std::int64_t>(std::max<std::size_t>(sockets_.size(), 1));
    step_ = std::min<Duration>(kStepMax, (done_by - now) / 2 / count);
  }

  /// The next socket whose time has come.
  [[nodiscard]] std::optional<SocketId> take(Instant now) {
    if (now < next_deadline()) return std::nullopt;
    return sockets_[closed_++];
  }

  /// Not yet: it waits for an answer. Its turn comes again after the others'.
  void put_back(SocketId socket) { sockets_.push_back(socket); }

  [[nodiscard]] Instant next_deadline() const {
    return done() ? kNever : begun_ + step_ * static_cast<std::int64_t>(closed_ + 1);
  }
  [[nodiscard]] bool done() const { return closed_ == sockets_.size(); }

 private:
  std::vector<SocketId> sockets_;
  std::size_t closed_ = 0;
  Instant begun_{};
  Duration step_{};
};

}  // namespace famemely::socketio
