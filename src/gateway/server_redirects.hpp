#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/logger.hpp"
#include "protocol/mqtt/reason_code.hpp"

namespace famemely::gateway {

/// Another server than the configured one.
struct ServerReference {
  std::string host;                   // a name or an address, without brackets
  std::optional<std::uint16_t> port;  // none: that of the configured server

  bool operator==(const ServerReference&) const = default;
};

/// The first of the references in the text (MQTT 5 section 4.11): `host`, `host:port`, `[address]:port`, with spaces
/// between several. Nothing if that is none of these.
[[nodiscard]] std::optional<ServerReference> parse_server_reference(std::string_view text);

/// Where the broker wants one of our connections to go. A redirect is followed once: what a server says to which we
/// have been sent, and which has not accepted us, is not. "Use another server" is for the next attempt; "server moved"
/// lasts for the life of the process, until an attempt there fails. After a failure we go back to the configured
/// server.
class ServerRedirects {
 public:
  /// The broker has refused or ended the connection: with these codes and a reference it is a redirect.
  void note(std::optional<mqtt::ReasonCode> code, const std::string& reference, Logger& logger);
  /// The broker has accepted us.
  void on_accepted() { accepted_ = true; }
  /// The connection or the attempt is over; called after `note`. `same_again`: the next attempt goes where this one
  /// went.
  void on_over(bool same_again);

  /// Where the next attempt goes; nothing: to the configured server.
  [[nodiscard]] const std::optional<ServerReference>& target() const { return target_; }

 private:
  struct Redirect {
    ServerReference server;
    bool moved;
  };

  std::optional<ServerReference> target_;
  std::optional<Redirect> noted_;
  bool moved_ = false;     // the target is to be remembered
  bool accepted_ = false;  // in this connection
};

}  // namespace famemely::gateway
