#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "app/config.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// What `famemely-mqtt token` is asked for.
struct TokenRequest {
  std::string subject;
  std::string role = "authenticated";
  std::chrono::milliseconds lifetime = std::chrono::hours(1);
  /// Name and JSON text; they replace what would be there otherwise.
  std::vector<std::pair<std::string, std::string>> claims{};
};

/// `name=json` of `--claim`, or what is wrong with it.
[[nodiscard]] Result<std::pair<std::string, std::string>, std::string> parse_claim(std::string_view text);

/// The claims of a token that a server with this configuration accepts, an object: `sub`, `role`, `aud`, `iss` if one
/// is expected, `iat`, `exp`.
[[nodiscard]] std::string token_claims(const TokenRequest& request, const Config& config, WallTime now);

/// Such a token, signed with the secret, which must be set.
[[nodiscard]] std::string make_token(const TokenRequest& request, const Config& config, WallTime now);

}  // namespace famemely::app
