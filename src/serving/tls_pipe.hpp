#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serving/tls_engine.hpp"

namespace famemely::serving {

/// The server's end of one TLS connection, without the socket: bytes of the wire go in, clear bytes come out, and the
/// other way. So a connection waits for its socket as any other does, and may go from one thread to another with all
/// its state.
class TlsPipe {
 public:
  using State = TlsEngine::State;
  /// Nothing clear is taken while so much waits for the socket.
  static constexpr std::size_t kOutgoingMax = 65'536;

  explicit TlsPipe(SSL_CTX* context);
  TlsPipe(const TlsPipe&) = delete;
  TlsPipe& operator=(const TlsPipe&) = delete;

  /// Appends what is in the bytes to `clear`. Where it fails, `fault` says why, and what is outgoing tells the peer.
  State receive(std::string_view wire, std::string& clear);
  /// Takes clear bytes, as many as there is room for: none before the handshake is over.
  [[nodiscard]] std::size_t send(std::string_view clear);
  /// Says that nothing more is sent.
  void close();

  /// For the socket.
  [[nodiscard]] std::string_view outgoing() const { return std::string_view(outgoing_).substr(sent_); }
  void sent(std::size_t bytes);

  [[nodiscard]] bool established() const { return engine_.established(); }
  [[nodiscard]] const std::string& fault() const { return fault_; }
  /// The first byte that came is none of TLS but the beginning of an HTTP request.
  [[nodiscard]] bool peer_speaks_http() const { return speaks_http_; }

 private:
  TlsEngine engine_;
  std::string outgoing_;
  std::size_t sent_ = 0;
  std::string fault_;
  bool begun_ = false;
  bool speaks_http_ = false;
};

}  // namespace famemely::serving
