#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/json_text.hpp"
#include "base/result.hpp"
#include "protocol/jwt/algorithm.hpp"

namespace famemely::jwt {

/// Shorter RSA keys are refused (RFC 7518 section 3.3); longer ones than any issuer has only cost time.
inline constexpr int kRsaBitsMin = 2048;
inline constexpr int kRsaBitsMax = 8192;

/// A public key that verifies signatures of one algorithm, and of no other. A copy shares the key; callable from any
/// thread.
class PublicKey {
 public:
  /// From the members of a JWK (RFC 7517 section 4): RSA for RS256, EC on P-256 for ES256, OKP on Ed25519 for EdDSA.
  /// The fault says why the key can't be used, and repeats no value of it.
  [[nodiscard]] static Result<PublicKey, std::string> from_jwk(const JsonView& jwk);

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  /// SHA-256 of the key itself: that of another key under the same name is another one.
  [[nodiscard]] const std::string& digest() const { return digest_; }
  [[nodiscard]] bool verifies(std::string_view signing_input, std::string_view signature) const;

 private:
  using Handle = std::shared_ptr<EVP_PKEY>;
  PublicKey(Algorithm algorithm, Handle key);

  static Result<PublicKey, std::string> rsa(const JsonView& jwk);
  static Result<PublicKey, std::string> p256(const JsonView& jwk);
  static Result<PublicKey, std::string> ed25519(const JsonView& jwk);

  Algorithm algorithm_;
  Handle key_;
  std::string digest_;
};

}  // namespace famemely::jwt
