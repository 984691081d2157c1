#include "io/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "serving/openssl_error.hpp"

namespace famemely::io {
namespace {

using serving::take_openssl_error;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Why a PEM file can't be used. That it can't be read is told apart from what is in it.
std::string file_fault(std::string_view setting, const std::string& file, std::string_view otherwise) {
  const std::string what = std::string(setting) + " " + file + ": ";
  if (const std::unique_ptr<std::FILE, CloseFile> opened{std::fopen(file.c_str(), "r")}; !opened) {
    const std::string why = std::strerror(errno);
    ERR_clear_error();
    return what + why;
  }
  const unsigned long code = ERR_peek_error();
  const bool no_pem = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  const std::string words = take_openssl_error("");
  if (no_pem || words.empty()) return what + std::string(otherwise);
  return what + std::string(otherwise) + " (" + words + ")";
}

/// A key that is locked is an error, not a question on the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

std::optional<std::string> write_alpn(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) return std::nullopt;
    list.push_back(static_cast<char>(static_cast<unsigned char>(protocol.size())));
    list += protocol;
  }
  return list;
}

Result<std::unique_ptr<TlsContext>, std::string> TlsContext::make(const TlsOptions& options) {
  ERR_clear_error();
  std::unique_ptr<TlsContext> made(new TlsContext(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* const context = made->handle();
  if (!context) return failure("OpenSSL can't be used: " + take_openssl_error("out of memory"));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_verify(context, options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);

  if (options.ca_file.empty())
    SSL_CTX_set_default_verify_paths(context);
  else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1)
    return failure(file_fault("MQTT_CA_FILE", options.ca_file, "no certificate in PEM could be read from it"));
  if (!options.cert_file.empty() && SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1)
    return failure(file_fault("MQTT_CERT_FILE", options.cert_file, "no certificate in PEM could be read from it"));
  if (!options.key_file.empty()) {
    if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      const int reason = ERR_GET_REASON(ERR_peek_last_error());
      if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
        ERR_clear_error();
        return failure("MQTT_KEY_FILE " + options.key_file +
                       ": it is not the key of the certificate in MQTT_CERT_FILE " + options.cert_file);
      }
      return failure(file_fault("MQTT_KEY_FILE", options.key_file,
                                "no private key in PEM, and without a password, could be read from it"));
    }
  }
  const auto alpn = write_alpn(options.alpn);
  if (!alpn) return failure(std::string("MQTT_TLS_ALPN: the name of a protocol has 1 to 255 bytes"));
  if (!alpn->empty())
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn->data()),
                            static_cast<unsigned int>(alpn->size()));
  return made;
}

}  // namespace famemely::io
