#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "protocol/jwt/key_set.hpp"

namespace famemely::jwt {

/// Longer tokens are refused before anything of them is looked at.
inline constexpr std::size_t kTokenBytesMax = 8192;

struct VerifierOptions {
  /// For HS256. Empty: every HS256 token is refused.
  std::string secret{};
  /// The `aud` that a token must name. Empty: not checked.
  std::string audience = "authenticated";
  /// The `iss` that a token must name. Empty: not checked.
  std::string issuer{};
  /// How far the clocks of the issuer and of this machine may be apart.
  std::chrono::milliseconds leeway = std::chrono::seconds(10);
  /// True while the server listens on loopback addresses only: then the published demo key of local Supabase stacks is
  /// good enough to act as a backend.
  bool loopback_only = false;
};

/// What a verified token says.
struct Claims {
  /// The user: `sub`, or `service_role` for Supabase's legacy service key.
  std::string subject;
  /// `exp`, without leeway.
  WallTime expires_at;
  /// A service key: the caller refuses it from a request that carries an `Origin` header.
  bool backend_only = false;
  /// The payload as it stands in the token: a JSON object, valid UTF-8, no member twice in any object.
  std::string json;
  /// The key of the JWKS that vouches for it, and that key's digest; both empty if it is the secret.
  std::string key_id{};
  std::string key_digest{};

  bool operator==(const Claims&) const = default;
};

/// Why a token is refused, in words fit for the client.
struct Refusal {
  std::string reason;
  /// The token names a key that the JWKS does not have: a newer JWKS may.
  bool unknown_key = false;

  bool operator==(const Refusal&) const = default;
};

/// Checks JSON Web Tokens (RFC 7519, as compact JWS of RFC 7515, with the cautions of RFC 8725).
class Verifier {
 public:
  explicit Verifier(VerifierOptions options) : options_(std::move(options)) {}

  /// HS256 is verified by the secret alone, whatever `kid` the header names; RS256, ES256 and EdDSA by the key of
  /// `keys` that the `kid` names and that is of the algorithm's kind. A null pointer: no JWKS is configured. Callable
  /// from any thread.
  [[nodiscard]] Result<Claims, Refusal> verify(std::string_view token, const KeySet* keys, WallTime now) const;

 private:
  /// Everything but the signature, which stands.
  [[nodiscard]] Result<Claims, std::string> check_claims(std::string payload, Algorithm algorithm, WallTime now) const;

  VerifierOptions options_;
};

/// True for the issuers of the keys of legacy projects and of local stacks.
[[nodiscard]] inline bool is_supabase_issuer(std::string_view issuer) {
  return issuer == "supabase" || issuer == "supabase-demo";
}

/// The `message` of the 401 or CONNECT_ERROR for a reason that `verify` gave: `Token verification failed: <reason>`, or
/// the reason alone for a Supabase API key, where it says it all.
[[nodiscard]] std::string refusal_message(std::string_view reason);

}  // namespace famemely::jwt
