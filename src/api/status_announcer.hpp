#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "base/instant.hpp"
#include "gateway/ports.hpp"

namespace famemely::api {

/// Decides when sockets are told of the connection to the broker: when `isConnected` or `clientId` has changed, at most
/// once a second, and then the latest state.
class StatusAnnouncer {
 public:
  static constexpr std::chrono::seconds kInterval{1};

  void on_status(const gateway::LinkStatus& status, Instant now) {
    // The first one is where things begin: no socket has seen anything else.
    if (client_id_.empty() && !status.is_connected) {
      client_id_ = status.client_id;
      return;
    }
    // Told even if it changes back within the interval: a socket may have joined in between and seen the other state.
    if (status.is_connected == is_connected_ && status.client_id == client_id_) return;
    is_connected_ = status.is_connected;
    client_id_ = status.client_id;
    if (due_ == kNever) due_ = std::max(now, last_ + kInterval);
  }

  /// True if sockets are to be told now; they then are taken to have been.
  [[nodiscard]] bool take(Instant now) {
    if (now < due_) return false;
    due_ = kNever;
    last_ = now;
    return true;
  }

  [[nodiscard]] Instant next_deadline() const { return due_; }

 private:
  bool is_connected_ = false;
  std::string client_id_;
  Instant last_{};  // the epoch of the clock: long ago
  Instant due_ = kNever;
};

}  // namespace famemely::api
