#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace famemely::serving {

/// One end of a TLS connection without a socket: OpenSSL reads from and writes to memory. What it has to say to the
/// peer is appended to the caller's `wire`, also where it fails.
class TlsEngine {
 public:
  enum class State {
    open,
    ended,   // the peer sends nothing more
    failed,  // OpenSSL's errors of this thread say why
  };

  /// Which end it is, and whom it expects at the other, the owner tells the `handle`.
  explicit TlsEngine(SSL_CTX* context);

  [[nodiscard]] SSL* handle() const { return ssl_.get(); }
  [[nodiscard]] bool established() const { return SSL_is_init_finished(ssl_.get()) != 0; }

  /// The first bytes of a client's handshake.
  void begin(std::string& wire);
  /// Appends what is in the bytes to `clear`.
  State receive(std::string_view bytes, std::string& clear, std::string& wire);
  /// How many of the clear bytes were taken. To be called once it is `established`.
  std::size_t send(std::string_view clear, std::string& wire);
  /// Says that nothing more is sent.
  void close(std::string& wire);

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  void take_output(std::string& wire);

  std::unique_ptr<SSL, Free> ssl_;
  BIO* input_;  // both belong to `ssl_`
  BIO* output_;
};

}  // namespace famemely::serving
