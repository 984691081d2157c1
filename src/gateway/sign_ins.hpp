#pragma once

#include <cstddef>
#include <cstdint>
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

/// One worker's way from tokens to users. A token that has been verified is remembered by its SHA-256 until it expires,
/// or until the key that vouches for it is withdrawn: so it costs one verification however many requests and sockets
/// bring it, and these share what it says. An API key is remembered in the same way.
class SignIns {
 public:
  /// Tokens that are remembered at most, or twice as many as sockets hold, if that is more. Beyond it those that no
  /// socket holds are forgotten: whoever is connected now will bring his token again.
  static constexpr std::size_t kTokensMax = 10'000;

  SignIns(const Authenticator& authenticator, std::shared_ptr<const PermissionPolicy> policy)
      : authenticator_(authenticator), policy_(std::move(policy)) {}

  /// As Authenticator::authenticate.
  [[nodiscard]] Result<SignedIn, Error> sign_in(std::string_view token, bool from_browser, WallTime now);
  /// Who signs in from now on has the rights of these rules.
  void use_policy(std::shared_ptr<const PermissionPolicy> policy);
  [[nodiscard]] std::size_t remembered() const { return known_.size(); }
  /// As Authenticator::still_accepts.
  [[nodiscard]] bool still_accepts(const Identity& identity) const { return authenticator_.still_accepts(identity); }
  /// Of the whole process.
  [[nodiscard]] KeyFigures key_figures() const { return authenticator_.key_figures(); }

 private:
  [[nodiscard]] Result<SignedIn, Error> verify(std::string_view token, bool from_browser, WallTime now) const;
  /// What is remembered of this token, if it still counts.
  [[nodiscard]] const SignedIn* recall(const std::string& digest, WallTime now);
  void make_room(WallTime now);
  /// Forgets what withdrawn keys have vouched for.
  void follow_keys();

  const Authenticator& authenticator_;
  std::shared_ptr<const PermissionPolicy> policy_;
  std::size_t room_ = kTokensMax;
  std::uint64_t keys_seen_ = 0;  // the generation of keys that `known_` is of
  std::unordered_map<std::string, SignedIn> known_;
};

}  // namespace famemely::gateway
