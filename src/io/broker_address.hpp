#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/http_message.hpp"
#include "io/tls_context.hpp"

namespace famemely::io {

/// Where the broker is, and how it is spoken to.
struct BrokerAddress {
  struct WebSocket {
    std::string target = "/mqtt";  // path and query
    HttpFields fields{};           // go along with the request
  };

  std::string host;
  std::uint16_t port = 1883;
  /// For all of DNS, TCP, TLS and WebSocket.
  std::chrono::milliseconds connect_timeout{30'000};
  /// None: no TLS.
  std::shared_ptr<const TlsContext> tls{};
  /// None: MQTT lies on TCP or TLS itself.
  std::optional<WebSocket> websocket{};
  /// What only the configured broker may learn goes along: a password, or header fields.
  bool has_credentials = false;
};

/// Where one attempt goes: to the configured server, or to where the broker has sent us.
struct BrokerTarget {
  std::string host;
  std::uint16_t port;

  bool operator==(const BrokerTarget&) const = default;
};

/// True if we may go where a broker has sent us. Credentials go along only to the same host, or to one that proves by a
/// verified certificate that it is the one we were sent to.
[[nodiscard]] inline bool may_follow(const BrokerAddress& address, const std::string& host) {
  return !address.has_credentials || host == address.host || (address.tls && address.tls->verifies());
}

/// `host:port`, with brackets around an IPv6 address.
[[nodiscard]] std::string authority(const std::string& host, std::uint16_t port);

}  // namespace famemely::io
