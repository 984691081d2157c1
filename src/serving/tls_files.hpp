#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.hpp"

namespace famemely::serving {

/// The certificate to serve with, its chain in the same file, and its key.
struct TlsFiles {
  std::string cert_file;
  std::string key_file;
};

using TlsContext = std::shared_ptr<SSL_CTX>;

/// Reads both: TLS 1.2 and 1.3 with ciphers that keep past connections secret, nothing older. The failure names the
/// setting, the file and what is wrong with it.
[[nodiscard]] Result<TlsContext, std::string> read_tls_files(const TlsFiles& files);

}  // namespace famemely::serving
