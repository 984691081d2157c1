#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "gateway/identity.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::api {

/// Who has signed in to the Admin UI, until when, and which key vouched for him.
struct AdminSession {
  std::string user_id;
  WallTime expires_at;
  std::string key_id{};
  gateway::KeyMark key_mark{};
  std::string key_role{};  // of an API key

  /// As far as `Authenticator::still_accepts` looks at it.
  [[nodiscard]] gateway::Identity identity() const;

  bool operator==(const AdminSession&) const = default;
};

/// The session ids that the Admin UI comes back with. An id carries the session itself, signed with a key that all
/// workers of this process share: any of them knows it, nobody keeps it, and it ends with the token that it was made
/// with, with the key that vouched for that, or with the process. It is good for nothing else.
class AdminSessions {
 public:
  explicit AdminSessions(std::string key);

  [[nodiscard]] std::string make_id(const AdminSession& session) const;
  [[nodiscard]] std::optional<AdminSession> find(std::string_view id, WallTime now) const;

 private:
  std::string key_;
  jwt::Verifier verifier_;
};

}  // namespace famemely::api
