#include "api/admin_sessions.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/json_text.hpp"
#include "protocol/jwt/signer.hpp"

namespace famemely::api {
namespace {

constexpr std::string_view kAudience = "famemely-admin-session";

}  // namespace

AdminSessions::AdminSessions(std::string key)
    : key_(std::move(key)),
      verifier_({.secret = key_, .audience = std::string(kAudience), .leeway = std::chrono::milliseconds::zero()}) {}

std::string AdminSessions::make_id(const AdminSession& session) const {
  const auto ms = session.expires_at.time_since_epoch().count();
  return jwt::sign_hs256(key_, fmt::format(R"({{"aud":"{}","sub":{},"exp":{}.{:03}}})", kAudience,
                                           json_string(session.user_id), ms / 1000, ms % 1000));
}

std::optional<AdminSession> AdminSessions::find(std::string_view id, WallTime now) const {
  auto claims = verifier_.verify(id, nullptr, now);
  if (!claims) return std::nullopt;
  return AdminSession{std::move(claims->subject), claims->expires_at};
}

}  // namespace famemely::api
