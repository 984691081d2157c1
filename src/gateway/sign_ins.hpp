#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/permissions.hpp"

namespace famemely::gateway {

/// Who has signed in, and what that lets them do.
struct SignedIn {
  std::shared_ptr<const Identity> identity;
  std::shared_ptr<const Permissions> permissions;
};

/// One worker's way from tokens to users. A token that has been verified is remembered until it expires, so that it
/// costs one verification however many requests and sockets bring it, and these share what it says.
class SignIns {
 public:
  /// Tokens that are remembered at most; beyond it all are forgotten.
  static constexpr std::size_t kTokensMax = 10'000;

  SignIns(const Authenticator& authenticator, std::shared_ptr<const PermissionPolicy> policy)
      : authenticator_(authenticator), policy_(std::move(policy)) {}

  /// As Authenticator::authenticate.
  [[nodiscard]] Result<SignedIn, Error> sign_in(std::string_view token, bool from_browser, WallTime now);
  [[nodiscard]] std::size_t remembered() const { return known_.size(); }

 private:
  struct TokenHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view token) const noexcept { return std::hash<std::string_view>{}(token); }
  };

  const Authenticator& authenticator_;
  std::shared_ptr<const PermissionPolicy> policy_;
  std::unordered_map<std::string, SignedIn, TokenHash, std::equal_to<>> known_;
};

}  // namespace famemely::gateway
