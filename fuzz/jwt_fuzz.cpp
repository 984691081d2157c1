#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/base64.hpp"
#include "base/json_text.hpp"
#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/verifier.hpp"

using namespace famemely;
using namespace famemely::jwt;

namespace {

constexpr std::string_view kSecret = "the-fuzzer-does-not-know-this-secret-of-its-own";
constexpr WallTime kNow{std::chrono::milliseconds(1'700'000'000'000)};
constexpr std::chrono::seconds kLeeway{10};

/// A key of Ed25519, whose signatures are the same each time.
class SigningKey {
 public:
  SigningKey() {
    const std::string seed(32, 'k');
    key_ = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()),
                                        seed.size());
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(raw.data()), &size);
    keys = KeySet::parse(R"({"keys":[{"kid":"ed","kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(raw) + "\"}]}")
               .value();
  }
  [[nodiscard]] std::string sign(std::string_view header, std::string_view payload) const {
    const std::string input = base64url_encode(header) + '.' + base64url_encode(payload);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(64, '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_);
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(input.data()), input.size());
    EVP_MD_CTX_free(context);
    return input + '.' + base64url_encode(signature);
  }

  KeySet keys;

 private:
  EVP_PKEY* key_ = nullptr;
};

const SigningKey& signing_key() {
  static const SigningKey one;
  return one;
}

Result<Claims, Refusal> verify(const std::string& token) {
  static const Verifier verifier({.secret = std::string(kSecret), .leeway = kLeeway});
  return verifier.verify(token, &signing_key().keys, kNow);
}

/// What is accepted, though the header and claims are anybody's, is what the rules say.
void check_accepted(const Claims& claims, std::string_view header, std::string_view payload, bool by_secret) {
  if (claims.json != payload || claims.subject.empty()) std::abort();
  if (claims.expires_at + kLeeway <= kNow) std::abort();
  const auto head = JsonView::parse(header);
  const auto body = JsonView::parse(payload);
  if (!head || !body || head->find("crit")) std::abort();
  const auto algorithm = head->find("alg")->as_string();
  if (by_secret) {
    if (algorithm != "HS256" || !claims.key_id.empty() || !claims.key_digest.empty()) std::abort();
  } else {
    if ((algorithm != "EdDSA" && algorithm != "Ed25519") || claims.key_id != "ed" || claims.backend_only) std::abort();
  }
  if (claims.backend_only ? claims.subject != "service_role" : body->find("sub")->as_string() != claims.subject)
    std::abort();
}

}  // namespace

/// Without a line end the bytes are a token, which nobody can have signed. With one they are a header and claims, which
/// are signed with the secret and with a key of the JWKS.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (verify(std::string(bytes))) std::abort();
  const std::size_t end = bytes.find('\n');
  if (end == bytes.npos) return 0;
  const std::string_view header = bytes.substr(0, end);
  const std::string_view payload = bytes.substr(end + 1);
  if (const auto claims = verify(sign_hs256(kSecret, header, payload))) check_accepted(*claims, header, payload, true);
  if (const auto claims = verify(signing_key().sign(header, payload))) check_accepted(*claims, header, payload, false);
  return 0;
}
