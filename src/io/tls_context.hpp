#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace famemely::io {

/// How to be a TLS client. Empty file names are unset ones.
struct TlsOptions {
  std::string ca_file{};  // in place of the system's authorities
  std::string cert_file{};
  std::string key_file{};
  bool insecure = false;            // verify neither certificate nor host name
  std::vector<std::string> alpn{};  // protocols to offer, none: no ALPN

  bool operator==(const TlsOptions&) const = default;
};

/// What all TLS connections to the broker share: authorities, our certificate, and the rules. TLS 1.2 and 1.3.
class TlsContext {
 public:
  /// Reads the files. The fault names the setting and the file.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>, std::string> make(const TlsOptions& options);

  [[nodiscard]] SSL_CTX* handle() const { return context_.get(); }
  /// The broker is verified: whoever answers has proved the name that we called.
  [[nodiscard]] bool verifies() const { return SSL_CTX_get_verify_mode(context_.get()) != SSL_VERIFY_NONE; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  explicit TlsContext(SSL_CTX* context) : context_(context) {}

  std::unique_ptr<SSL_CTX, Free> context_;
};

/// The ALPN list as it goes over the wire (RFC 7301 section 3.1); nothing if a name is empty or over 255 bytes.
[[nodiscard]] std::optional<std::string> write_alpn(const std::vector<std::string>& protocols);

}  // namespace famemely::io
