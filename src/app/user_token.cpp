#include "app/user_token.hpp"

#include <algorithm>

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "protocol/jwt/signer.hpp"

namespace famemely::app {

Result<std::pair<std::string, std::string>, std::string> parse_claim(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos || !is_utf8(text))
    return failure("--claim \"" + std::string(is_utf8(text) ? text : "") + "\" must have the form name=json");
  const std::string name(text.substr(0, equals));
  const std::string value(text.substr(equals + 1));
  if (name == "sub" || name == "role") return failure("--claim " + name + "=…: use --" + name);
  if (const auto fault = check_json(value))
    return failure("--claim " + name + ": " + value + " is not JSON (" + fault->what +
                   "); a text needs quotes of its own, --claim '" + name + "=\"text\"'");
  return std::pair(name, value);
}

std::string token_claims(const TokenRequest& request, const Config& config, WallTime now) {
  const auto issued_at = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  const auto expires_at = std::chrono::ceil<std::chrono::seconds>(now + request.lifetime).time_since_epoch();
  std::vector<std::pair<std::string, std::string>> claims{{"sub", json_string(request.subject)},
                                                          {"role", json_string(request.role)}};
  if (!config.jwt_audience.empty()) claims.emplace_back("aud", json_string(config.jwt_audience));
  if (!config.supabase_url.empty()) claims.emplace_back("iss", json_string(config.issuer()));
  claims.emplace_back("iat", std::to_string(issued_at.count()));
  claims.emplace_back("exp", std::to_string(expires_at.count()));
  for (const auto& [name, value] : request.claims) {
    const auto found = std::ranges::find(claims, name, [](const auto& claim) { return claim.first; });
    if (found == claims.end())
      claims.emplace_back(name, value);
    else
      found->second = value;
  }
  std::string payload;
  for (const auto& [name, value] : claims) payload += (payload.empty() ? "{" : ",") + json_string(name) + ":" + value;
  return payload + "}";
}

std::string make_token(const TokenRequest& request, const Config& config, WallTime now) {
  return jwt::sign_hs256(config.supabase_jwt_secret, token_claims(request, config, now));
}

}  // namespace famemely::app
