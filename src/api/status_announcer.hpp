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
    if (status.is_connected == announced_connected_ && status.client_id == announced_client_id_) {
      due_ = kNever;  // changed and changed back within the interval: nothing to tell
      return;
    }
    if (due_ == kNever) due_ = std::max(now, last_ + kInterval);
  }

  /// True if sockets are to be told now; they then are taken to have been.
  [[nodiscard]] bool take(const gateway::LinkStatus& status, Instant now) {
    if (now < due_) return false;
    due_ = kNever;
    last_ = now;
    announced_connected_ = status.is_connected;
    announced_client_id_ = status.client_id;
    return true;
  }

  [[nodiscard]] Instant next_deadline() const { return due_; }

 private:
  bool announced_connected_ = false;
  std::string announced_client_id_;
  Instant last_{};  // the epoch of the clock: long ago
  Instant due_ = kNever;
};

}  // namespace famemely::api
