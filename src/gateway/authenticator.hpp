#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "gateway/claim_path.hpp"
#include "gateway/identity.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::gateway {

/// Turns the token of a request or a CONNECT packet into an identity. One for the process; callable from any thread.
class Authenticator {
 public:
  Authenticator(jwt::Verifier verifier, RoleClaims role_claims)
      : verifier_(std::move(verifier)), role_claims_(std::move(role_claims)) {}

  /// An empty token is `No token provided`. `from_browser`: the request carried an `Origin` header, so keys of backends
  /// are refused.
  [[nodiscard]] Result<std::shared_ptr<const Identity>, Error> authenticate(std::string_view token, bool from_browser,
                                                                            WallTime now) const;

 private:
  jwt::Verifier verifier_;
  RoleClaims role_claims_;
};

/// The token of an `Authorization: Bearer …` header's value; empty if it is of another scheme.
[[nodiscard]] std::string_view bearer_token(std::string_view authorization);

}  // namespace famemely::gateway
