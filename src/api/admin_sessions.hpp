#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::api {

/// Who has signed in to the Admin UI, and until when.
struct AdminSession {
  std::string user_id;
  WallTime expires_at;

  bool operator==(const AdminSession&) const = default;
};

/// The session ids that the Admin UI comes back with. An id carries the session itself, signed with a key that all
/// workers of this process share: any of them knows it, nobody keeps it, and it ends with the token that it was made
/// with, or with the process. It is good for nothing else.
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
