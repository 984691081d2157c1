#include "serving/tls_files.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace famemely::serving {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string file_fault(std::string_view setting, const std::string& file, std::string_view otherwise) {
  const std::string what = std::string(setting) + " " + file + ": ";
  ERR_clear_error();
  if (const std::unique_ptr<std::FILE, CloseFile> opened{std::fopen(file.c_str(), "r")}; !opened)
    return what + std::strerror(errno);
  return what + std::string(otherwise);
}

/// A key that is locked is an error, not a question on the terminal.
int no_password(char*, int, int, void*) { return -1; }

/// Of what clients offer by ALPN we speak one protocol. Who offers others alone is served all the same: before HTTP/2
/// nobody asked.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kOurs, sizeof kOurs, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<TlsContext, std::string> read_tls_files(const TlsFiles& files) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return failure(std::string("OpenSSL can't be used"));
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // clients keep their tickets themselves
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_default_passwd_cb(raw, no_password);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, files.cert_file.c_str()) != 1)
    return failure(file_fault("TLS_CERT_FILE", files.cert_file, "no certificate in PEM could be read from it"));
  if (SSL_CTX_use_PrivateKey_file(raw, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
      ERR_clear_error();
      return failure("TLS_KEY_FILE " + files.key_file + ": it is not the key of the certificate in TLS_CERT_FILE " +
                     files.cert_file);
    }
    return failure(file_fault("TLS_KEY_FILE", files.key_file,
                              "no private key in PEM, and without a password, could be read from it"));
  }
  return context;
}

}  // namespace famemely::serving
