#include "api/admin_sessions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/base64.hpp"
#include "base/json_text.hpp"
#include "protocol/jwt/signer.hpp"

namespace famemely::api {
namespace {

constexpr std::string_view kAudience = "famemely-admin-session";

/// By the numbers that stand in session ids.
constexpr std::array kKinds{gateway::KeyKind::secret, gateway::KeyKind::jwks, gateway::KeyKind::api_key};

std::string text_of(const JsonView& claims, std::string_view name) {
  const auto member = claims.find(name);
  return member ? member->as_string().value_or("") : "";
}

}  // namespace

gateway::Identity AdminSession::identity() const {
  return {.user_id = user_id,
          .roles = {key_role},
          .expires_at = expires_at,
          .claims_json = "{}",
          .backend_only = false,
          .key_id = key_id,
          .key_mark = key_mark};
}

AdminSessions::AdminSessions(std::string key)
    : key_(std::move(key)),
      verifier_({.secret = key_, .audience = std::string(kAudience), .leeway = std::chrono::milliseconds::zero()}) {}

std::string AdminSessions::make_id(const AdminSession& session) const {
  const auto ms = session.expires_at.time_since_epoch().count();
  return jwt::sign_hs256(
      key_, fmt::format(R"({{"aud":"{}","sub":{},"exp":{}.{:03},"key":{},"id":{},"digest":"{}","role":{}}})", kAudience,
                        json_string(session.user_id), ms / 1000, ms % 1000,
                        std::ranges::find(kKinds, session.key_mark.kind) - kKinds.begin(), json_string(session.key_id),
                        base64url_encode(session.key_mark.digest), json_string(session.key_role)));
}

std::optional<AdminSession> AdminSessions::find(std::string_view id, WallTime now) const {
  auto claims = verifier_.verify(id, nullptr, now);
  if (!claims) return std::nullopt;
  const JsonView json = JsonView::parse(claims->json).value();
  const auto member = json.find("key");
  const std::int64_t kind = member ? member->as_integer().value_or(-1) : -1;
  const auto digest = base64url_decode(text_of(json, "digest"));
  if (kind < 0 || kind >= std::ssize(kKinds) || !digest) return std::nullopt;
  return AdminSession{.user_id = std::move(claims->subject),
                      .expires_at = claims->expires_at,
                      .key_id = text_of(json, "id"),
                      .key_mark = {kKinds[static_cast<std::size_t>(kind)], *digest},
                      .key_role = text_of(json, "role")};
}

}  // namespace famemely::api
