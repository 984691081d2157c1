#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/config.hpp"
#include "app/user_token.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "gateway/permission_policy.hpp"

namespace famemely::app {

/// What `famemely-mqtt permissions check` is asked.
struct PermissionQuestion {
  std::optional<std::string> token{};  // whose claims count; nothing: those that `claims` describes
  TokenRequest claims{};
  std::string operation{};  // `publish` or `subscribe`
  std::string topic{};
};

struct PermissionAnswer {
  bool allowed = false;
  std::string text;  // lines, for people
};

/// Decides as the gateway would, and says which rule does. The token's signature and times are not looked at: the
/// question is what its claims are worth. The user `key:NAME` is that of an API key: it has the role that is named,
/// whatever JWT_ROLE_CLAIMS says. A fault says what is wrong with the question.
[[nodiscard]] Result<PermissionAnswer, std::string> check_permission(
    const PermissionQuestion& question, const std::shared_ptr<const gateway::PermissionPolicy>& policy,
    const Config& config, WallTime now);

}  // namespace famemely::app
