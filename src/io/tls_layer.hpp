#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/tls_context.hpp"
#include "serving/tls_engine.hpp"

namespace famemely::io {

/// The client's end of one TLS connection, without the socket: bytes of the wire go in, clear bytes come out, and the
/// other way, so that whatever lies above or below is no concern of it.
class TlsLayer {
 public:
  /// `host` is called by SNI and verified: a name, or an IP address (which has no SNI, RFC 6066 section 3). `peer` is
  /// how faults speak of who answers.
  TlsLayer(const TlsContext& context, std::string_view host, std::string_view peer = "the broker");
  TlsLayer(const TlsLayer&) = delete;  // OpenSSL holds its address
  TlsLayer& operator=(const TlsLayer&) = delete;

  /// Appends the first bytes of the handshake.
  void begin(std::string& wire);
  /// Appends what is in them to `clear`, and what has to be answered to `wire`, also where it fails; the fault says
  /// why, in words.
  Result<void, std::string> on_received(std::string_view bytes, std::string& clear, std::string& wire);
  /// Only once it is `established`.
  void send(std::string_view clear, std::string& wire);
  /// Appends the notice that nothing more is sent.
  void close(std::string& wire);

  [[nodiscard]] bool established() const { return engine_.established(); }
  /// The peer sends nothing more.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  /// OpenSSL's callback. It alone is shown a certificate that is then refused.
  static int on_verified(int good, X509_STORE_CTX* store);
  [[nodiscard]] std::string describe_fault() const;
  [[nodiscard]] std::string describe_verify_fault() const;

  serving::TlsEngine engine_;
  std::string host_;
  std::string peer_;
  std::string names_;  // what the peer's certificate is for, if it is not for `host_`
  bool ended_ = false;
};

}  // namespace famemely::io
