#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.hpp"
#include "base/result.hpp"

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

  bool operator==(const Claims&) const = default;
};

/// Checks JSON Web Tokens (RFC 7519, as compact JWS of RFC 7515, with the cautions of RFC 8725).
class Verifier {
 public:
  explicit Verifier(VerifierOptions options) : options_(std::move(options)) {}

  /// The claims, or why the token is refused, in words fit for the client. Callable from any thread.
  [[nodiscard]] Result<Claims, std::string> verify(std::string_view token, WallTime now) const;

 private:
  VerifierOptions options_;
};

/// The `message` of the 401 or CONNECT_ERROR for a reason that `verify` gave: `Token verification failed: <reason>`, or
/// the reason alone for a Supabase API key, where it says it all.
[[nodiscard]] std::string refusal_message(std::string_view reason);

}  // namespace famemely::jwt
