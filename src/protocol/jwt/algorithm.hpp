#pragma once

#include <optional>
#include <string_view>

namespace famemely::jwt {

/// The algorithms that tokens may be signed with (RFC 7518 section 3.1, RFC 8037 section 3.1).
enum class Algorithm { hs256, rs256, es256, eddsa };

/// By the name in a header or key; nothing for every other name. RFC 9864 names EdDSA with Ed25519 `Ed25519`.
[[nodiscard]] inline std::optional<Algorithm> parse_algorithm(std::string_view name) {
  if (name == "HS256") return Algorithm::hs256;
  if (name == "RS256") return Algorithm::rs256;
  if (name == "ES256") return Algorithm::es256;
  if (name == "EdDSA" || name == "Ed25519") return Algorithm::eddsa;
  return std::nullopt;
}

[[nodiscard]] inline std::string_view algorithm_name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::hs256:
      return "HS256";
    case Algorithm::rs256:
      return "RS256";
    case Algorithm::es256:
      return "ES256";
    case Algorithm::eddsa:
      return "EdDSA";
  }
  return "";
}

}  // namespace famemely::jwt
