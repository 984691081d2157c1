#include "protocol/jwt/verifier.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "base/base64.hpp"
#include "base/http_message.hpp"
#include "base/json_text.hpp"
#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/strict_json.hpp"

namespace famemely::jwt {
namespace {

constexpr std::string_view kSupabaseKey = "This is a Supabase API key, not a user token";
/// The end of the year 9999 in seconds since 1970: later times are cut to it, so that they can still be written down.
constexpr double kSecondsMax = 253402300799.0;

using Reason = std::optional<std::string>;

struct Parts {
  std::string_view signing_input;  // header.payload, still encoded
  std::string header;
  std::string payload;
  std::string signature;
};

/// RFC 7515 section 7.1: three base64url texts between two dots.
Result<Parts, std::string> split(std::string_view token) {
  const auto first = token.find('.');
  const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return failure(std::string("not a JSON Web Token: three parts separated by dots are expected"));
  auto header = base64url_decode(token.substr(0, first));
  auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(token.substr(second + 1));
  if (!header || !payload || !signature)
    return failure(std::string("not a JSON Web Token: a part is not base64url without padding"));
  return Parts{token.substr(0, second), std::move(*header), std::move(*payload), std::move(*signature)};
}

/// RFC 8725 section 3.11: tokens of other kinds, though signed by the same issuer, are no access tokens. RFC 7515
/// section 4.1.9: the media type may be written with `application/` or without, in any case.
Reason check_type(const JsonView& header) {
  const auto member = header.find("typ");
  if (!member) return std::nullopt;
  const auto type = member->as_string();
  constexpr std::array kTypes{"JWT", "at+jwt", "application/jwt", "application/at+jwt"};
  if (type && std::ranges::any_of(kTypes, [&](const char* one) { return equals_ignoring_case(*type, one); }))
    return std::nullopt;
  return "the header names another type than JWT (typ)";
}

/// What the header alone decides: by which algorithm a signature may be looked at. `jwk`, `jku`, `x5u` and `x5c` are
/// never followed: the only keys are those that we were given (RFC 8725 section 3.10).
Result<Algorithm, std::string> read_algorithm(const JsonView& header) {
  // RFC 7515 section 4.1.11: whoever does not understand an extension that is marked as critical refuses the token.
  if (header.find("crit")) return failure(std::string("the header demands extensions (crit), and none is supported"));
  if (auto reason = check_type(header)) return failure(*std::move(reason));
  const auto member = header.find("alg");
  const auto name = member ? member->as_string() : std::nullopt;
  if (!name) return failure(std::string("the header names no algorithm (alg)"));
  if (const auto algorithm = parse_algorithm(*name)) return *algorithm;
  if (equals_ignoring_case(*name, "none")) return failure(std::string("unsigned tokens (alg none) are not accepted"));
  return failure(std::string("the algorithm is not supported; use HS256, RS256, ES256 or EdDSA"));
}

Refusal bad_signature() { return {.reason = "signature is invalid"}; }

/// A key of the JWKS, under its name.
struct NamedKey {
  std::string kid;
  const PublicKey* key;
};

/// The key that this signature is to be verified by.
Result<NamedKey, Refusal> choose_key(const KeySet* keys, const JsonView& header, Algorithm algorithm) {
  const std::string name(algorithm_name(algorithm));
  if (!keys)
    return failure(
        Refusal{"no JWKS is configured to verify " + name + " tokens: set SUPABASE_URL or SUPABASE_JWKS_URL"});
  const auto member = header.find("kid");
  auto kid = member ? member->as_string() : std::nullopt;
  if (!kid || kid->empty()) return failure(Refusal{name + " tokens must name their key (kid)"});
  if (kid->size() > kKidBytesMax) return failure(Refusal{"the name of the key (kid) is too long"});
  if (const PublicKey* key = keys->find(*kid, algorithm)) return NamedKey{*std::move(kid), key};
  if (keys->has_kid(*kid)) return failure(Refusal{"the key that the token names (kid) is not one for " + name});
  return failure(Refusal{.reason = "the key that the token names (kid) is not in the JWKS", .unknown_key = true});
}

/// A NumericDate (RFC 7519 section 2): seconds since 1970, possibly with a fraction. Never text: a verifier that takes
/// "1" for a number also takes "soon" for zero.
Result<std::optional<WallTime>, std::string> read_time(const JsonView& claims, std::string_view name) {
  const auto member = claims.find(name);
  if (!member) return std::nullopt;
  const auto seconds = member->as_number();
  if (!seconds) return failure(std::string(name) + " must be a number");
  if (*seconds < 0) return failure(std::string(name) + " must not be negative");
  return WallTime(std::chrono::milliseconds(std::llround(std::min(*seconds, kSecondsMax) * 1000)));
}

/// Checks `exp`, `nbf` and `iat`, and gives `exp`.
Result<WallTime, std::string> check_times(const JsonView& claims, WallTime now, std::chrono::milliseconds leeway) {
  const auto expires_at = read_time(claims, "exp");
  if (!expires_at) return failure(expires_at.error());
  if (!*expires_at) return failure(std::string("exp is missing"));
  if (now >= **expires_at + leeway) return failure("token expired at " + to_iso8601(**expires_at));
  const auto not_before = read_time(claims, "nbf");
  if (!not_before) return failure(not_before.error());
  if (*not_before && **not_before > now + leeway)
    return failure("token is not valid before " + to_iso8601(**not_before) + " (nbf)");
  const auto issued_at = read_time(claims, "iat");
  if (!issued_at) return failure(issued_at.error());
  if (*issued_at && **issued_at > now + leeway)
    return failure("token was issued in the future, " + to_iso8601(**issued_at) + " (iat)");
  return **expires_at;
}

std::string text_of(const JsonView& claims, std::string_view name) {
  const auto member = claims.find(name);
  return member ? member->as_string().value_or("") : "";
}

/// RFC 7519 section 4.1.3: a text, or an array of texts of which one has to fit.
Reason check_audience(const JsonView& claims, const std::string& expected) {
  if (expected.empty()) return std::nullopt;
  const auto member = claims.find("aud");
  if (!member) return "aud is missing; JWT_AUDIENCE expects " + expected;
  std::vector<JsonView> values{*member};
  if (member->kind() == JsonKind::array) values = member->elements();
  bool found = false;
  for (const JsonView& value : values) {
    const auto text = value.as_string();
    if (!text) return "aud must be a string or an array of strings";
    found = found || *text == expected;
  }
  if (!found) return "aud is not the expected audience; JWT_AUDIENCE expects " + expected;
  return std::nullopt;
}

Reason check_issuer(const JsonView& claims, const std::string& expected) {
  if (expected.empty() || text_of(claims, "iss") == expected) return std::nullopt;
  return "iss is not the expected issuer; SUPABASE_URL expects " + expected;
}

/// What can be said of a token without splitting it.
Reason check_whole(std::string_view token) {
  if (token.size() > kTokenBytesMax) return "token is over 8 KiB";
  if (token.starts_with("sb_")) return std::string(kSupabaseKey);
  return std::nullopt;
}

}  // namespace

Result<Claims, Refusal> Verifier::verify(std::string_view token, const KeySet* keys, WallTime now) const {
  if (auto reason = check_whole(token)) return failure(Refusal{*std::move(reason)});
  auto parts = split(token);
  if (!parts) return failure(Refusal{std::move(parts.error())});
  const auto header = parse_strict_object(parts->header, "the header");
  if (!header) return failure(Refusal{header.error()});
  const auto algorithm = read_algorithm(*header);
  if (!algorithm) return failure(Refusal{algorithm.error()});

  std::string kid;
  std::string key_digest;
  if (*algorithm == Algorithm::hs256) {
    if (options_.secret.empty()) return failure(Refusal{"no secret is configured for HS256: set SUPABASE_JWT_SECRET"});
    const std::string mac = hmac_sha256(options_.secret, parts->signing_input);
    if (parts->signature.size() != mac.size() || CRYPTO_memcmp(parts->signature.data(), mac.data(), mac.size()) != 0)
      return failure(bad_signature());
  } else {
    auto named = choose_key(keys, *header, *algorithm);
    if (!named) return failure(std::move(named.error()));
    if (!named->key->verifies(parts->signing_input, parts->signature)) return failure(bad_signature());
    kid = std::move(named->kid);
    key_digest = named->key->digest();
  }
  auto claims = check_claims(std::move(parts->payload), *algorithm, now);
  if (!claims) return failure(Refusal{std::move(claims.error())});
  claims->key_id = std::move(kid);
  claims->key_digest = std::move(key_digest);
  return *std::move(claims);
}

Result<Claims, std::string> Verifier::check_claims(std::string payload, Algorithm algorithm, WallTime now) const {
  const auto claims = parse_strict_object(payload, "the payload");
  if (!claims) return failure(claims.error());
  const auto expires_at = check_times(*claims, now, options_.leeway);
  if (!expires_at) return failure(expires_at.error());

  const std::string role = text_of(*claims, "role");
  const std::string issuer = text_of(*claims, "iss");
  if (role == "anon" && (is_supabase_issuer(issuer) || !claims->find("sub")))
    return failure(std::string("this is the Supabase anon key, not a user token"));
  if (algorithm == Algorithm::hs256 && role == "service_role" && is_supabase_issuer(issuer)) {
    if (issuer == "supabase-demo" && !options_.loopback_only)
      return failure(std::string("the demo service_role key is accepted only while listening on loopback"));
    return Claims{"service_role", *expires_at, true, std::move(payload)};
  }

  if (auto reason = check_audience(*claims, options_.audience)) return failure(*reason);
  if (auto reason = check_issuer(*claims, options_.issuer)) return failure(*reason);
  const auto subject = claims->find("sub");
  if (!subject) return failure(std::string("sub is missing"));
  auto user = subject->as_string();
  // Half a surrogate pair is no text: whatever stood for it would be the same for all of them.
  if (!user || user->empty() || subject->has_lone_surrogate())
    return failure(std::string("sub must be a non-empty string"));
  return Claims{std::move(*user), *expires_at, false, std::move(payload)};
}

std::string refusal_message(std::string_view reason) {
  if (reason == kSupabaseKey) return std::string(reason);
  return "Token verification failed: " + std::string(reason);
}

}  // namespace famemely::jwt
