#include "gateway/authenticator.hpp"

#include "base/http_message.hpp"

namespace famemely::gateway {

Result<std::shared_ptr<const Identity>, Error> Authenticator::authenticate(std::string_view token, bool from_browser,
                                                                           WallTime now) const {
  if (token.empty()) return failure(Error{ErrorCode::unauthorized, "No token provided"});
  auto claims = verifier_.verify(token, now);
  if (!claims) return failure(Error{ErrorCode::unauthorized, jwt::refusal_message(claims.error())});
  if (claims->backend_only && from_browser)
    return failure(
        Error{ErrorCode::unauthorized,
              jwt::refusal_message("a service key is for backends, not for requests with an Origin header")});
  return std::make_shared<const Identity>(make_identity(std::move(claims->subject), std::move(claims->json),
                                                        role_claims_, claims->expires_at, claims->backend_only));
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size() || !equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme))
    return {};
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  while (authorization.ends_with(' ')) authorization.remove_suffix(1);
  return authorization;
}

}  // namespace famemely::gateway
