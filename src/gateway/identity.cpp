#include "gateway/identity.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/json_text.hpp"

namespace famemely::gateway {

bool Identity::has_role(std::string_view role) const { return std::ranges::find(roles, role) != roles.end(); }

Identity make_identity(std::string subject, std::string claims_json, const RoleClaims& role_claims,
                       std::optional<WallTime> expires_at, bool backend_only) {
  Identity identity{.user_id = std::move(subject),
                    .roles = {},
                    .expires_at = expires_at,
                    .claims_json = std::move(claims_json),
                    .session_id = {},
                    .backend_only = backend_only};
  if (const auto claims = JsonView::parse(identity.claims_json)) {
    identity.roles = role_claims.roles_of(*claims);
    if (const auto session = claims->find("session_id")) identity.session_id = session->as_string().value_or("");
  }
  return identity;
}

Identity make_key_identity(std::string_view name, std::string_view role, std::string_view digest) {
  std::string user_id = std::string(kKeyUserPrefix).append(name);
  std::string claims = fmt::format(R"({{"sub":{},"role":{}}})", json_string(user_id), json_string(role));
  Identity identity{.user_id = std::move(user_id),
                    .roles = {},
                    .expires_at = std::nullopt,
                    .claims_json = std::move(claims),
                    .session_id = {},
                    .backend_only = true,
                    .key_id = std::string(name),
                    .key_mark = {KeyKind::api_key, std::string(digest)}};
  if (!role.empty()) identity.roles.emplace_back(role);
  return identity;
}

}  // namespace famemely::gateway
