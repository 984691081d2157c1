#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.hpp"
#include "gateway/server_redirects.hpp"

namespace famemely::gateway {

/// One connection with the broker, as whoever opens transports sees it: it wishes a transport to be opened or closed,
/// and has bytes to be written. After any call to any channel of a bridge its caller looks at all of them.
class BrokerChannel {
 public:
  virtual ~BrokerChannel() = default;

  virtual void on_transport_open(Now now) = 0;
  virtual void on_bytes(std::string_view bytes, Now now) = 0;
  /// The transport is gone, or could not be opened, or was closed as we wished (then `why` is empty).
  virtual void on_transport_closed(const std::string& why, Now now) = 0;
  /// So many bytes of the output are on their way.
  virtual void on_written(std::size_t bytes, Now now) = 0;

  /// True once each time that a transport is to be opened, or closed.
  [[nodiscard]] bool take_open_wish() { return std::exchange(open_wish_, false); }
  [[nodiscard]] bool take_close_wish() { return std::exchange(close_wish_, false); }
  [[nodiscard]] std::string& output() { return output_; }

  /// Where the transport is to be opened, if not to the configured server.
  [[nodiscard]] const std::optional<ServerReference>& redirect() const { return redirects_.target(); }
  /// An attempt to open the transport begins: the time for it, up to the broker's CONNACK, runs from now on.
  void begin_attempt(Now now) {
    attempt_began_ = now.instant;
    end_cause_.clear();
  }
  /// What is known of the end that `on_transport_closed` is about to tell, beyond that it is one: a TLS alert, the code
  /// that closes a WebSocket.
  void explain_end(std::string cause) { end_cause_ = std::move(cause); }

 protected:
  /// The reason with what is known beyond it; forgets that.
  [[nodiscard]] std::string with_cause(std::string reason) {
    if (!end_cause_.empty()) reason += (reason.empty() ? "" : ": ") + std::exchange(end_cause_, {});
    return reason;
  }
  /// When the session's time for CONNACK begins.
  [[nodiscard]] Instant attempt_began(Now now) const { return std::min(attempt_began_, now.instant); }

  ServerRedirects redirects_;
  std::string output_;
  bool open_wish_ = false;
  bool close_wish_ = false;

 private:
  std::string end_cause_;
  Instant attempt_began_ = kNever;
};

}  // namespace famemely::gateway
