#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/tls_context.hpp"

namespace famemely::io {

/// The client's end of one TLS connection, without the socket: bytes of the wire go in, clear bytes come out, and the
/// other way. OpenSSL is given memory in place of a socket, so that whatever lies above or below is no concern of it.
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

  [[nodiscard]] bool established() const { return SSL_is_init_finished(ssl_.get()) != 0; }
  /// The peer sends nothing more.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  /// OpenSSL's callback. It alone is shown a certificate that is then refused.
  static int on_verified(int good, X509_STORE_CTX* store);
  [[nodiscard]] std::string describe_fault() const;
  [[nodiscard]] std::string describe_verify_fault() const;
  void take_output(std::string& wire);

  std::unique_ptr<SSL, Free> ssl_;
  BIO* input_ = nullptr;  // both belong to `ssl_`
  BIO* output_ = nullptr;
  std::string host_;
  std::string peer_;
  std::string names_;  // what the peer's certificate is for, if it is not for `host_`
  bool ended_ = false;
};

}  // namespace famemely::io
