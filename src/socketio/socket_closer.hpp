#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::socketio {

/// Spreads the closing of all sockets over a while, so that their clients reconnect elsewhere without a stampede:
/// evenly until half of the time is over, a few sockets sooner.
class SocketCloser {
 public:
  static constexpr std::chrono::milliseconds kStepMax{20};

  void begin(std::vector<SocketId> sockets, Instant now, Instant done_by) {
    sockets_ = std::move(sockets);
    begun_ = now;
    half_ = std::max(now, now + (done_by - now) / 2);
    const auto count = static_cast<std::int64_t>(std::max<std::size_t>(sockets_.size(), 1));
    step_ = std::min<Duration>(kStepMax, (half_ - now) / count);
  }

  /// The next socket whose time has come.
  [[nodiscard]] std::optional<SocketId> take(Instant now) {
    if (taken_ < sockets_.size() && now >= turn_of_next()) return sockets_[taken_++];
    if (due_again_.empty() && now >= next_look_) due_again_.swap(put_back_);
    if (due_again_.empty()) return std::nullopt;
    const SocketId socket = due_again_.back();
    due_again_.pop_back();
    return socket;
  }

  /// Not yet: something is on its way. It is taken again a step later.
  void put_back(SocketId socket, Instant now) {
    if (put_back_.empty()) next_look_ = now + kStepMax;
    put_back_.push_back(socket);
  }

  /// False once what is on its way has had its time: half of all.
  [[nodiscard]] bool is_patient(Instant now) const { return now < half_; }

  [[nodiscard]] Instant next_deadline() const {
    return std::min({taken_ < sockets_.size() ? turn_of_next() : kNever, due_again_.empty() ? kNever : begun_,
                     put_back_.empty() ? kNever : next_look_});
  }
  [[nodiscard]] bool done() const { return taken_ == sockets_.size() && due_again_.empty() && put_back_.empty(); }

 private:
  [[nodiscard]] Instant turn_of_next() const { return begun_ + step_ * static_cast<std::int64_t>(taken_); }

  std::vector<SocketId> sockets_;
  std::size_t taken_ = 0;
  std::vector<SocketId> put_back_;   // to be looked at again at `next_look_`
  std::vector<SocketId> due_again_;  // those whose look is now
  Instant next_look_ = kNever;
  Instant begun_{};
  Instant half_{};
  Duration step_{};
};

}  // namespace famemely::socketio
