#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "gateway/claim_path.hpp"

namespace famemely::gateway {

/// What kind of key vouches for somebody.
enum class KeyKind { secret, jwks, api_key };

/// The key that vouches for somebody: while it is in force, so is what it vouched for.
struct KeyMark {
  KeyKind kind = KeyKind::secret;
  /// SHA-256 of the key, so that another key under the same name is another key; empty for the secret, which lasts as
  /// long as the process.
  std::string digest{};

  bool operator==(const KeyMark&) const = default;
};

/// Who is on the other side, as the token or API key said once it was verified.
struct Identity {
  std::string user_id;             // the claim `sub`, `service_role`, or `key:<name>`
  std::vector<std::string> roles;  // each once
  /// Without leeway; nothing for API keys, which last until they leave their file.
  std::optional<WallTime> expires_at;
  std::string claims_json;    // the token's claims as they were signed, an object
  std::string session_id{};   // the claim of that name: one sign-in of the user; empty if there is none
  bool backend_only = false;  // a key of a backend: refused to requests that carry an Origin
  std::string key_id{};       // of the key that vouches: `kid`, or the name of an API key; empty for the secret
  KeyMark key_mark{};

  [[nodiscard]] bool has_role(std::string_view role) const;
  /// The roles `admin` and `service_role`: they see everybody's subscriptions and may disconnect users.
  [[nodiscard]] bool is_administrator() const { return has_role("admin") || has_role("service_role"); }

  bool operator==(const Identity&) const = default;
};

/// For verified tokens. Claims that are no JSON object give no roles.
[[nodiscard]] Identity make_identity(std::string subject, std::string claims_json, const RoleClaims& role_claims,
                                     std::optional<WallTime> expires_at, bool backend_only);

/// Begins the user of an API key.
inline constexpr std::string_view kKeyUserPrefix = "key:";

/// For an API key: the user `key:<name>` with that one role, whatever JWT_ROLE_CLAIMS says. `digest` is the key's
/// SHA-256.
[[nodiscard]] Identity make_key_identity(std::string_view name, std::string_view role, std::string_view digest);

}  // namespace famemely::gateway
