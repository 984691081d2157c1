#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random_source.hpp"
#include "base/result.hpp"
#include "io/broker_address.hpp"
#include "io/tls_layer.hpp"
#include "io/websocket_layer.hpp"

namespace famemely::io {

/// What lies between the socket and MQTT: TLS, a WebSocket, or one on the other. Bytes of the socket go in, bytes of
/// MQTT come out, and the other way. No I/O.
class BrokerWire {
 public:
  /// `host` and `port` are those that are called, which need not be those of the address. What is in `address` must
  /// outlive the wire.
  BrokerWire(const BrokerAddress& address, const std::string& host, std::uint16_t port, RandomSource& random);

  /// Appends the first bytes of the handshakes.
  void begin(std::string& out);
  /// Appends the MQTT bytes to `mqtt`; the bytes may be changed. The fault is a sentence: which step failed and why.
  /// What is to be sent even then comes from `take_answers`.
  Result<void, std::string> on_received(std::span<char> bytes, std::string& mqtt);
  /// What to say when the socket ends or the time is over at this point.
  [[nodiscard]] std::string describe_end() const;
  [[nodiscard]] std::string describe_timeout() const;

  /// True once MQTT may pass.
  [[nodiscard]] bool is_open() const;
  /// True if the peer has said that nothing more comes.
  [[nodiscard]] bool ended() const { return tls_ && tls_->ended(); }
  void send(std::string_view mqtt, std::string& out);
  /// Appends what the layers have to say of themselves; asked when the socket takes bytes, so that a peer who asks much
  /// and reads nothing does not fill our memory.
  void take_answers(std::string& out);
  /// Appends the layers' farewells.
  void close(std::string& out);

 private:
  [[nodiscard]] std::string step() const;
  void begin_websocket();

  std::string authority_;
  std::optional<TlsLayer> tls_;
  std::optional<WebSocketLayer> websocket_;
  bool websocket_begun_ = false;
  std::string clear_;    // scratch: between TLS and WebSocket
  std::string answers_;  // of the layers, to be sent
};

}  // namespace famemely::io
