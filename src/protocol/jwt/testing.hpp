#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/base64.hpp"
#include "protocol/jwt/algorithm.hpp"

namespace famemely::jwt {

/// A pair of keys for tests: what an issuer has.
class TestKey {
 public:
  explicit TestKey(Algorithm algorithm, int rsa_bits = 2048) : algorithm_(algorithm) {
    EVP_PKEY* key = algorithm == Algorithm::rs256   ? EVP_RSA_gen(static_cast<unsigned int>(rsa_bits))
                    : algorithm == Algorithm::es256 ? EVP_EC_gen("P-256")
                                                    : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    if (!key) throw std::runtime_error("OpenSSL makes no key");
    key_.reset(key, EVP_PKEY_free);
  }

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  /// The public members of the JWK, `kty` first, without braces.
  [[nodiscard]] std::string public_members() const {
    switch (algorithm_) {
      case Algorithm::rs256:
        return R"("kty":"RSA","n":")" + number("n") + R"(","e":")" + number("e") + '"';
      case Algorithm::es256:
        return R"("kty":"EC","crv":"P-256","x":")" + number("qx", 32) + R"(","y":")" + number("qy", 32) + '"';
      case Algorithm::eddsa:
        return R"("kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(raw_public()) + '"';
      case Algorithm::hs256:
        break;
    }
    throw std::logic_error("a secret has no public half");
  }
  /// The JWK under this name, with the members that issuers add.
  [[nodiscard]] std::string jwk(std::string_view kid) const {
    return R"({"kid":")" + std::string(kid) + R"(","use":"sig","alg":")" + std::string(algorithm_name(algorithm_)) +
           "\"," + public_members() + "}";
  }
  /// The public key as a PEM file holds it.
  [[nodiscard]] std::string public_der() const {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return text;
  }

  /// The signature's bytes as a JWS has them.
  [[nodiscard]] std::string sign(std::string_view text) const {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, algorithm_ == Algorithm::eddsa ? nullptr : EVP_sha256(), nullptr,
                       key_.get());
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1)
      throw std::runtime_error("OpenSSL does not sign");
    signature.resize(size);
    return algorithm_ == Algorithm::es256 ? from_der(signature) : signature;
  }
  /// A token over exactly these two texts.
  [[nodiscard]] std::string token(std::string_view header, std::string_view payload) const {
    const std::string input = base64url_encode(header) + '.' + base64url_encode(payload);
    return input + '.' + base64url_encode(sign(input));
  }
  [[nodiscard]] std::string header(std::string_view kid) const {
    return R"({"alg":")" + std::string(algorithm_name(algorithm_)) + R"(","typ":"JWT","kid":")" + std::string(kid) +
           "\"}";
  }

 private:
  [[nodiscard]] std::string number(const char* name, std::size_t bytes = 0) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string text(bytes == 0 ? static_cast<std::size_t>(BN_num_bytes(value)) : bytes, '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(text.size()));
    BN_free(value);
    return base64url_encode(text);
  }
  [[nodiscard]] std::string raw_public() const {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    return raw;
  }
  [[nodiscard]] static std::string from_der(const std::string& der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
    std::string raw(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    return raw;
  }

  Algorithm algorithm_;
  std::shared_ptr<EVP_PKEY> key_;
};

/// A JWKS of these JWKs, separated by commas.
inline std::string jwks_of(std::string_view jwks) { return R"({"keys":[)" + std::string(jwks) + "]}"; }

}  // namespace famemely::jwt
