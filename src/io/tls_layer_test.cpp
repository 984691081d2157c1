#include "io/tls_layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>

namespace famemely::io {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <auto free>
struct FreeBy {
  template <typename Object>
  void operator()(Object* object) const {
    free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeBy<X509_free>>;

constexpr long kDay = 24L * 60 * 60;

struct Identity {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate{X509_new()};
};

void add_extension(X509* certificate, int what, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer`, or by itself.
Identity make_identity(const char* name, const char* names, const Identity* issuer, long days = 1) {
  Identity made;
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer ? 2 : 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDay);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer->certificate.get() : certificate));
  if (names) add_extension(certificate, NID_subject_alt_name, names);
  if (!issuer) add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

/// A file that is gone with the test.
class TemporaryFile {
 public:
  TemporaryFile() { ::close(::mkstemp(name_.data())); }
  ~TemporaryFile() { ::unlink(name_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(X509* certificate, EVP_PKEY* key = nullptr, const char* password = nullptr) const {
    std::FILE* file = std::fopen(name_.c_str(), "w");
    if (certificate) PEM_write_X509(file, certificate);
    const int size = password ? static_cast<int>(std::char_traits<char>::length(password)) : 0;
    if (key)
      PEM_write_PrivateKey(file, key, password ? EVP_aes_128_cbc() : nullptr,
                           reinterpret_cast<const unsigned char*>(password), size, nullptr, nullptr);
    std::fclose(file);
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_ = "/tmp/famemely-tls-XXXXXX";
};

/// The other end, in memory as well.
class TestServer {
 public:
  explicit TestServer(const Identity& identity) : context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_use_certificate(context_.get(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), identity.key.get());
  }
  [[nodiscard]] SSL_CTX* context() const { return context_.get(); }

  /// What it answers; `clear` gets what it has read.
  std::string on_received(std::string_view bytes, std::string* clear = nullptr) {
    if (!ssl_) {
      ssl_.reset(SSL_new(context_.get()));
      SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
      BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
      SSL_set_accept_state(ssl_.get());
    }
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    char piece[20'000];
    for (int size = 0; (size = SSL_read(ssl_.get(), piece, sizeof piece)) > 0;)
      if (clear) clear->append(piece, static_cast<std::size_t>(size));
    ERR_clear_error();
    return output();
  }
  std::string write(std::string_view clear) {
    SSL_write(ssl_.get(), clear.data(), static_cast<int>(clear.size()));
    return output();
  }
  std::string shut_down() {
    SSL_shutdown(ssl_.get());
    return output();
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 private:
  std::string output() {
    std::string out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
    if (!out.empty()) BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
    return out;
  }

  std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, FreeBy<SSL_free>> ssl_;
};

class TlsLayerTest : public ::testing::Test {
 protected:
  TlsLayerTest() { ca_file_.write(authority_.certificate.get()); }

  [[nodiscard]] std::unique_ptr<TlsContext> context() const {
    auto made = TlsContext::make(options_);
    EXPECT_TRUE(made) << made.error();
    return *std::move(made);
  }

  /// Runs the handshake, the server's bytes fed in pieces of this size. The fault, or what the client has read.
  std::string shake_hands(TlsLayer& client, TestServer& server, std::size_t piece = 1'000'000) {
    std::string clear;
    std::string wire;
    client.begin(wire);
    while (!wire.empty()) {
      const std::string answer = server.on_received(std::exchange(wire, {}));
      for (std::size_t at = 0; at < answer.size(); at += piece)
        if (auto taken = client.on_received(std::string_view(answer).substr(at, piece), clear, wire); !taken) {
          farewell_ = wire;
          return "fault: " + taken.error();
        }
    }
    return client.established() ? "established" : "stuck";
  }
  std::string result(const char* host, const Identity& identity) {
    const auto made = context();
    TlsLayer client(*made, host);
    TestServer server(identity);
    return shake_hands(client, server);
  }

  Identity authority_ = make_identity("authority", nullptr, nullptr);
  Identity good_ = make_identity("good", "DNS:broker.example,IP:10.0.0.1,IP:::1,DNS:*.wild.example", &authority_);
  TemporaryFile ca_file_;
  TlsOptions options_{.ca_file = ca_file_.name()};
  std::string farewell_;
};

TEST_F(TlsLayerTest, CarriesBytesBothWaysHoweverTheyAreCut) {
  const auto made = context();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
      TlsLayer client(*made, "broker.example");
      TestServer server(good_);
      SSL_CTX_set_max_proto_version(server.context(), version);
      ASSERT_EQ(shake_hands(client, server, piece), "established");
      const std::string long_text(50'000, 'x');
      std::string wire;
      client.send(long_text, wire);
      std::string got;
      server.on_received(wire, &got);
      EXPECT_EQ(got, long_text) << version << " " << piece;
      std::string answer = server.write(long_text);
      answer += server.shut_down();
      got.clear();
      for (std::size_t at = 0; at < answer.size(); at += piece)
        ASSERT_TRUE(client.on_received(std::string_view(answer).substr(at, piece), got, wire));
      EXPECT_EQ(got, long_text);
      EXPECT_TRUE(client.ended());
    }
}

TEST_F(TlsLayerTest, VerifiesNamesAndAddresses) {
  for (const char* host : {"broker.example", "BROKER.example", "broker.example.", "10.0.0.1", "::1", "a.wild.example"})
    EXPECT_EQ(result(host, good_), "established") << host;
  for (const char* host : {"other.example", "10.0.0.2", "::2", "wild.example", "a.b.wild.example"})
    EXPECT_EQ(result(host, good_), std::string("fault: host name mismatch: the broker's certificate is not for ") +
                                       host + " but for broker.example, 10.0.0.1, ::1, *.wild.example")
        << host;
}

TEST_F(TlsLayerTest, SaysWhyACertificateIsNotAccepted) {
  EXPECT_THAT(result("broker.example", make_identity("b", "DNS:broker.example", &authority_, -1)),
              HasSubstr("has expired"));
  EXPECT_EQ(result("broker.example", make_identity("broker.example", "DNS:broker.example", nullptr)),
            "fault: the broker's certificate is self-signed");
  const Identity stranger = make_identity("stranger", nullptr, nullptr);
  EXPECT_THAT(result("broker.example", make_identity("b", "DNS:broker.example", &stranger)),
              StartsWith("fault: unknown CA: "));
  EXPECT_FALSE(farewell_.empty()) << "the broker is to hear of it";
}

TEST_F(TlsLayerTest, VerifiesNothingWhereToldSo) {
  options_ = {.insecure = true};
  EXPECT_FALSE(context()->verifies());
  EXPECT_EQ(result("other.example", make_identity("x", nullptr, nullptr)), "established");
}

TEST_F(TlsLayerTest, NamesTheAlertOfTheBroker) {
  TestServer server(good_);
  SSL_CTX_set_verify(server.context(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const auto made = context();
  TlsLayer client(*made, "broker.example");
  EXPECT_EQ(shake_hands(client, server), "fault: the broker sent the alert certificate required");
}

TEST_F(TlsLayerTest, CallsNamesBySniAndOffersWhatWasAskedFor) {
  options_.alpn = {"x", "mqtt"};
  const auto made = context();
  for (const auto& [host, called] : {std::pair{"broker.example", "broker.example"}, std::pair{"10.0.0.1", ""}}) {
    TlsLayer client(*made, host);
    TestServer server(good_);
    SSL_CTX_set_alpn_select_cb(
        server.context(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned, void*) {
          *out = in + 3;  // the second one
          *size = in[2];
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
    ASSERT_EQ(shake_hands(client, server), "established");
    const char* name = SSL_get_servername(server.ssl(), TLSEXT_NAMETYPE_host_name);
    EXPECT_EQ(std::string(name ? name : ""), called);
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(server.ssl(), &chosen, &size);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), size), "mqtt");
  }
}

TEST_F(TlsLayerTest, SaysThatThereIsNoTls) {
  const auto made = context();
  for (const std::string_view answer : {"HTTP/1.1 400 Bad Request\r\n\r\n"sv, "\x20\x02\x00\x01 and more"sv}) {
    TlsLayer client(*made, "broker.example");
    std::string clear;
    std::string wire;
    client.begin(wire);
    const auto taken = client.on_received(answer, clear, wire);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error(), StartsWith("the broker does not speak TLS on this port"));
  }
}

TEST_F(TlsLayerTest, RefusesOlderVersions) {
  TestServer server(good_);
  SSL_CTX_set_security_level(server.context(), 0);
  SSL_CTX_set_min_proto_version(server.context(), TLS1_1_VERSION);
  SSL_CTX_set_max_proto_version(server.context(), TLS1_1_VERSION);
  const auto made = context();
  TlsLayer client(*made, "broker.example");
  EXPECT_EQ(shake_hands(client, server), "fault: the broker sent the alert protocol version");
}

TEST(TlsContext, RefusesFilesThatAreNoGood) {
  const auto fault = [](const TlsOptions& options) {
    const auto made = TlsContext::make(options);
    return made ? std::string("good") : made.error();
  };
  const Identity one = make_identity("one", nullptr, nullptr);
  const Identity two = make_identity("two", nullptr, nullptr);
  const TemporaryFile empty, cert, key, other_key, locked_key;
  cert.write(one.certificate.get());
  key.write(nullptr, one.key.get());
  other_key.write(nullptr, two.key.get());
  locked_key.write(nullptr, one.key.get(), "hunter2");
  EXPECT_EQ(fault({.cert_file = cert.name(), .key_file = key.name()}), "good");
  EXPECT_EQ(fault({.ca_file = "/nowhere"}), "MQTT_CA_FILE /nowhere: No such file or directory");
  EXPECT_THAT(fault({.ca_file = empty.name()}), StartsWith("MQTT_CA_FILE " + empty.name() + ": no certificate"));
  EXPECT_THAT(fault({.cert_file = key.name()}), StartsWith("MQTT_CERT_FILE " + key.name() + ": no certificate"));
  EXPECT_THAT(fault({.cert_file = cert.name(), .key_file = cert.name()}),
              StartsWith("MQTT_KEY_FILE " + cert.name() + ": no private key"));
  EXPECT_THAT(fault({.cert_file = cert.name(), .key_file = locked_key.name()}), HasSubstr("without a password"));
  EXPECT_EQ(
      fault({.cert_file = cert.name(), .key_file = other_key.name()}),
      "MQTT_KEY_FILE " + other_key.name() + ": it is not the key of the certificate in MQTT_CERT_FILE " + cert.name());
  EXPECT_EQ(fault({.alpn = {""}}), "MQTT_TLS_ALPN: the name of a protocol has 1 to 255 bytes");
}

}  // namespace
}  // namespace famemely::io
