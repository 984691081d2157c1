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
#include "base/utf8.hpp"
#include "protocol/jwt/signer.hpp"

namespace famemely::jwt {
namespace {

constexpr std::string_view kSupabaseKey = "This is a Supabase API key, not a user token";
/// No issuer nests claims deeper; a bound far below that of message payloads keeps the check for repeated members
/// cheap.
constexpr int kTokenDepthMax = 64;
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

/// The name of a member that stands twice in one object, wherever it is. Two readers of such a token could see
/// different claims (RFC 8725 section 2.4), so it is refused.
std::optional<std::string> repeated_member(JsonView root) {
  std::vector<JsonView> open{root};
  while (!open.empty()) {
    const JsonView view = open.back();
    open.pop_back();
    std::vector<std::string> names;
    for (auto& [name, value] : view.members()) {
      names.push_back(name);
      open.push_back(value);
    }
    for (const JsonView& element : view.elements()) open.push_back(element);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) return *twice;
  }
  return std::nullopt;
}

Result<JsonView, std::string> parse_object(std::string_view text, std::string_view part) {
  if (!is_utf8(text)) return failure("the " + std::string(part) + " is not UTF-8");
  auto view = JsonView::parse(text, kTokenDepthMax);
  if (!view) return failure("the " + std::string(part) + " is not valid JSON: " + view.error().what);
  if (view->kind() != JsonKind::object) return failure("the " + std::string(part) + " is not a JSON object");
  if (auto name = repeated_member(*view)) return failure("the " + std::string(part) + " has " + *name + " twice");
  return *view;
}

/// Decides from the header alone whether an HS256 signature may be looked at. `kid`, `jwk`, `jku`, `x5u` and `x5c` are
/// never followed: the only key is the one we were given (RFC 8725 section 3.10).
Reason check_header(const JsonView& header) {
  // RFC 7515 section 4.1.11: whoever does not understand an extension that is marked as critical refuses the token.
  if (header.find("crit")) return "the header demands extensions (crit), and none is supported";
  const auto member = header.find("alg");
  const auto algorithm = member ? member->as_string() : std::nullopt;
  if (!algorithm) return "the header names no algorithm (alg)";
  if (*algorithm == "HS256") return std::nullopt;
  constexpr std::array kWithJwks{"RS256", "ES256", "EdDSA"};
  if (std::ranges::find(kWithJwks, *algorithm) != kWithJwks.end())
    return "no JWKS is configured to verify " + *algorithm + " tokens";
  if (equals_ignoring_case(*algorithm, "none")) return "unsigned tokens (alg none) are not accepted";
  return "the algorithm is not supported; use HS256";
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

bool is_supabase_issuer(std::string_view issuer) { return issuer == "supabase" || issuer == "supabase-demo"; }

/// What can be said of a token without splitting it.
Reason check_whole(std::string_view token) {
  if (token.size() > kTokenBytesMax) return "token is over 8 KiB";
  if (token.starts_with("sb_")) return std::string(kSupabaseKey);
  return std::nullopt;
}

}  // namespace

Result<Claims, std::string> Verifier::verify(std::string_view token, WallTime now) const {
  if (auto reason = check_whole(token)) return failure(*reason);
  auto parts = split(token);
  if (!parts) return failure(parts.error());
  const auto header = parse_object(parts->header, "header");
  if (!header) return failure(header.error());
  if (auto reason = check_header(*header)) return failure(*reason);
  if (options_.secret.empty())
    return failure(std::string("no secret is configured for HS256: set SUPABASE_JWT_SECRET"));
  const std::string mac = hmac_sha256(options_.secret, parts->signing_input);
  if (parts->signature.size() != mac.size() || CRYPTO_memcmp(parts->signature.data(), mac.data(), mac.size()) != 0)
    return failure(std::string("signature is invalid"));

  const auto claims = parse_object(parts->payload, "payload");
  if (!claims) return failure(claims.error());
  const auto expires_at = check_times(*claims, now, options_.leeway);
  if (!expires_at) return failure(expires_at.error());

  const std::string role = text_of(*claims, "role");
  const std::string issuer = text_of(*claims, "iss");
  if (role == "anon" && (is_supabase_issuer(issuer) || !claims->find("sub")))
    return failure(std::string("this is the Supabase anon key, not a user token"));
  if (role == "service_role" && is_supabase_issuer(issuer)) {
    if (issuer == "supabase-demo" && !options_.loopback_only)
      return failure(std::string("the demo service_role key is accepted only while listening on loopback"));
    return Claims{"service_role", *expires_at, true, std::move(parts->payload)};
  }

  if (auto reason = check_audience(*claims, options_.audience)) return failure(*reason);
  if (auto reason = check_issuer(*claims, options_.issuer)) return failure(*reason);
  const auto subject = claims->find("sub");
  if (!subject) return failure(std::string("sub is missing"));
  auto user = subject->as_string();
  if (!user || user->empty()) return failure(std::string("sub must be a non-empty string"));
  return Claims{std::move(*user), *expires_at, false, std::move(parts->payload)};
}

std::string refusal_message(std::string_view reason) {
  if (reason == kSupabaseKey) return std::string(reason);
  return "Token verification failed: " + std::string(reason);
}

}  // namespace famemely::jwt
