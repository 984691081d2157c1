#pragma once

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "serving/tls_files.hpp"

/// What the tests of this room share.
namespace famemely::serving::testing {

template <auto free>
struct FreeBy {
  template <typename Object>
  void operator()(Object* object) const {
    free(object);
  }
};

/// A key and a certificate that it has signed itself, in files that are gone with the test.
class CertificateFiles {
 public:
  explicit CertificateFiles(const char* name = "gateway") {
    const std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, FreeBy<X509_free>> certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    write(cert_file_, [&](std::FILE* file) { PEM_write_X509(file, certificate.get()); });
    write(key_file_,
          [&](std::FILE* file) { PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }
  ~CertificateFiles() {
    ::unlink(cert_file_.c_str());
    ::unlink(key_file_.c_str());
  }
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;

  [[nodiscard]] const std::string& cert_file() const { return cert_file_; }
  [[nodiscard]] const std::string& key_file() const { return key_file_; }
  [[nodiscard]] TlsFiles files() const { return {cert_file_, key_file_}; }

 private:
  template <typename Write>
  static void write(std::string& name, Write&& content) {
    char path[] = "/tmp/famemely-serving-XXXXXX";
    std::FILE* file = ::fdopen(::mkstemp(path), "w");
    content(file);
    std::fclose(file);
    name = path;
  }

  std::string cert_file_;
  std::string key_file_;
};

/// The client's end of a connection, in memory.
class TlsClient {
 public:
  TlsClient() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
    input_ = BIO_new(BIO_s_mem());
    output_ = BIO_new(BIO_s_mem());
    BIO_ctrl(input_, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nullptr);
    SSL_set_bio(ssl_.get(), input_, output_);
    SSL_set_connect_state(ssl_.get());
  }

  [[nodiscard]] SSL* handle() const { return ssl_.get(); }
  /// What it wants to send next.
  [[nodiscard]] std::string take_output() {
    SSL_do_handshake(ssl_.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(output_, &bytes);
    std::string wire(bytes, size > 0 ? static_cast<std::size_t>(size) : 0);
    static_cast<void>(BIO_reset(output_));
    return wire;
  }
  void receive(std::string_view wire) { BIO_write(input_, wire.data(), static_cast<int>(wire.size())); }
  void send(std::string_view clear) { SSL_write(ssl_.get(), clear.data(), static_cast<int>(clear.size())); }
  /// All that has come.
  [[nodiscard]] std::string read() {
    std::string clear;
    char piece[16'384];
    for (int size = 0; (size = SSL_read(ssl_.get(), piece, sizeof piece)) > 0;)
      clear.append(piece, static_cast<std::size_t>(size));
    return clear;
  }
  [[nodiscard]] std::string subject() const {
    const std::unique_ptr<X509, FreeBy<X509_free>> certificate(SSL_get1_peer_certificate(ssl_.get()));
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof name);
    return name;
  }

 private:
  std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, FreeBy<SSL_free>> ssl_;
  BIO* input_;
  BIO* output_;
};

}  // namespace famemely::serving::testing
