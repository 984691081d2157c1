#include "protocol/jwt/public_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

#include "base/base64.hpp"
#include "protocol/jwt/digest.hpp"

namespace famemely::jwt {
namespace {

template <auto Free>
struct Freed {
  template <typename Thing>
  void operator()(Thing* thing) const {
    Free(thing);
  }
};
template <typename Thing, auto Free>
using Owned = std::unique_ptr<Thing, Freed<Free>>;
using BigNumber = Owned<BIGNUM, BN_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using ParameterBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using EcdsaSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using Handle = std::shared_ptr<EVP_PKEY>;

constexpr std::size_t kCoordinateBytes = 32;  // of P-256, and of r and s (RFC 7518 sections 6.2.1 and 3.4)
constexpr std::size_t kExponentBytesMax = 4;  // real ones are 3 or 65537

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// OpenSSL keeps its errors by thread, and whoever comes next would find ours.
class ForgetErrors {
 public:
  ForgetErrors() = default;
  ForgetErrors(const ForgetErrors&) = delete;
  ForgetErrors& operator=(const ForgetErrors&) = delete;
  ~ForgetErrors() { ERR_clear_error(); }
};

/// A member that holds bytes in base64url.
std::optional<std::string> read_bytes(const JsonView& jwk, std::string_view name) {
  const auto member = jwk.find(name);
  const auto text = member ? member->as_string() : std::nullopt;
  return text ? base64url_decode(*text) : std::nullopt;
}

std::string text_of(const JsonView& jwk, std::string_view name) {
  const auto member = jwk.find(name);
  return member ? member->as_string().value_or("") : "";
}

/// The key of these parameters; nothing if OpenSSL finds them no key.
Handle make_key(const char* kind, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return nullptr;
  return {key, EVP_PKEY_free};
}

/// RFC 7518 section 3.4: r and s in 32 bytes each; OpenSSL wants them as ASN.1.
std::string to_der(std::string_view signature) {
  if (signature.size() != 2 * kCoordinateBytes) return {};
  const EcdsaSignature pair(ECDSA_SIG_new());
  BigNumber r(BN_bin2bn(bytes_of(signature), kCoordinateBytes, nullptr));
  BigNumber s(BN_bin2bn(bytes_of(signature.substr(kCoordinateBytes)), kCoordinateBytes, nullptr));
  if (!pair || !r || !s) throw std::bad_alloc();
  ECDSA_SIG_set0(pair.get(), r.release(), s.release());
  std::array<unsigned char, 80> der{};  // at most 2 + 2 * (2 + 33)
  unsigned char* end = der.data();
  const int size = i2d_ECDSA_SIG(pair.get(), &end);
  return {reinterpret_cast<const char*>(der.data()), static_cast<std::size_t>(std::max(size, 0))};
}

}  // namespace

PublicKey::PublicKey(Algorithm algorithm, Handle key) : algorithm_(algorithm), key_(std::move(key)) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &der);
  if (size <= 0) throw std::bad_alloc();
  digest_ = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
}

Result<PublicKey, std::string> PublicKey::from_jwk(const JsonView& jwk) {
  const ForgetErrors forget;
  for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
    if (jwk.find(secret) && text_of(jwk, "kty") != "oct")
      return failure("it holds a private key (" + std::string(secret) + "), which must never stand in a JWKS");
  const std::string kind = text_of(jwk, "kty");
  if (kind == "RSA") return rsa(jwk);
  if (kind == "EC") return p256(jwk);
  if (kind == "OKP") return ed25519(jwk);
  if (kind == "oct") return failure(std::string("it is a shared secret (kty oct), which is never taken from a JWKS"));
  return failure(std::string("its kty is not RSA, EC or OKP"));
}

Result<PublicKey, std::string> PublicKey::rsa(const JsonView& jwk) {
  const auto modulus = read_bytes(jwk, "n");
  const auto exponent = read_bytes(jwk, "e");
  if (!modulus || !exponent) return failure(std::string("n and e must be base64url"));
  // Before OpenSSL computes with it.
  if (modulus->size() > kRsaBitsMax / 8 + 1)
    return failure("its modulus is longer than " + std::to_string(kRsaBitsMax) + " bits");
  if (exponent->size() > kExponentBytesMax) return failure(std::string("its exponent is longer than 32 bits"));
  const BigNumber n(BN_bin2bn(bytes_of(*modulus), static_cast<int>(modulus->size()), nullptr));
  const BigNumber e(BN_bin2bn(bytes_of(*exponent), static_cast<int>(exponent->size()), nullptr));
  if (!n || !e) throw std::bad_alloc();
  if (BN_num_bits(n.get()) < kRsaBitsMin)
    return failure("its modulus has " + std::to_string(BN_num_bits(n.get())) + " bits; at least " +
                   std::to_string(kRsaBitsMin) + " are wanted");
  if (BN_num_bits(n.get()) > kRsaBitsMax)
    return failure("its modulus is longer than " + std::to_string(kRsaBitsMax) + " bits");
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()))
    return failure(std::string("n or e is not that of an RSA key"));
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    throw std::bad_alloc();
  auto key = make_key("RSA", builder.get());
  if (!key) return failure(std::string("n and e are not those of an RSA key"));
  return PublicKey(Algorithm::rs256, std::move(key));
}

Result<PublicKey, std::string> PublicKey::p256(const JsonView& jwk) {
  if (text_of(jwk, "crv") != "P-256") return failure(std::string("its curve (crv) is not P-256"));
  const auto x = read_bytes(jwk, "x");
  const auto y = read_bytes(jwk, "y");
  if (!x || !y || x->size() != kCoordinateBytes || y->size() != kCoordinateBytes)
    return failure(std::string("x and y must be 32 bytes each, in base64url"));
  const std::string point = '\x04' + *x + *y;  // uncompressed (SEC 1 section 2.3.3)
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    throw std::bad_alloc();
  auto key = make_key("EC", builder.get());
  const KeyContext check(key ? EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr);
  if (!check || EVP_PKEY_public_check(check.get()) != 1)
    return failure(std::string("x and y are no point of the curve"));
  return PublicKey(Algorithm::es256, std::move(key));
}

Result<PublicKey, std::string> PublicKey::ed25519(const JsonView& jwk) {
  if (text_of(jwk, "crv") != "Ed25519") return failure(std::string("its curve (crv) is not Ed25519"));
  const auto x = read_bytes(jwk, "x");
  if (!x || x->size() != 32) return failure(std::string("x must be 32 bytes, in base64url"));
  Handle key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size()), EVP_PKEY_free);
  if (!key) return failure(std::string("x is no key of Ed25519"));
  return PublicKey(Algorithm::eddsa, std::move(key));
}

bool PublicKey::verifies(std::string_view signing_input, std::string_view signature) const {
  const ForgetErrors forget;
  std::string der;
  if (algorithm_ == Algorithm::es256) signature = der = to_der(signature);
  if (signature.empty()) return false;
  const DigestContext context(EVP_MD_CTX_new());
  if (!context) throw std::bad_alloc();
  const EVP_MD* digest = algorithm_ == Algorithm::eddsa ? nullptr : EVP_sha256();
  return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(signing_input),
                          signing_input.size()) == 1;
}

}  // namespace famemely::jwt
