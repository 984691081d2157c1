#include "gateway/authenticator.hpp"

#include <utility>

#include "base/http_message.hpp"

namespace famemely::gateway {

Result<std::shared_ptr<const Identity>, Error> Authenticator::authenticate(std::string_view token, bool from_browser,
                                                                           WallTime now) const {
  if (token.empty()) return failure(Error{ErrorCode::unauthorized, "No token provided"});
  auto identity = identify(token, from_browser, now);
  if (!identity) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    Error error{ErrorCode::unauthorized, jwt::refusal_message(identity.error())};
    if (token.size() > jwt::kTokenBytesMax) error.limit = Limit::token_size;
    return failure(std::move(error));
  }
  verified_.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<const Identity>(*std::move(identity));
}

Result<Identity, std::string> Authenticator::identify(std::string_view token, bool from_browser, WallTime now) const {
  if (token.starts_with(kApiKeyPrefix)) return identify_api_key(token, from_browser);
  const auto jwks = jwks_.load();
  auto claims = verifier_.verify(token, jwks ? jwks->keys.get() : nullptr, now);
  if (!claims && claims.error().unknown_key) {
    unknown_keys_.fetch_add(1, std::memory_order_relaxed);
    tell_of_unknown_key();
    if (!jwks->absence.empty()) return failure(jwks->absence);
  }
  if (!claims) return failure(std::move(claims.error().reason));
  if (claims->backend_only && from_browser)
    return failure(std::string("a service key is for backends, not for requests with an Origin header"));
  Identity identity = make_identity(std::move(claims->subject), std::move(claims->json), role_claims_,
                                    claims->expires_at, claims->backend_only);
  if (!claims->key_digest.empty()) {
    identity.key_id = std::move(claims->key_id);
    identity.key_mark = {KeyKind::jwks, std::move(claims->key_digest)};
  }
  return identity;
}

Result<Identity, std::string> Authenticator::identify_api_key(std::string_view key, bool from_browser) const {
  if (from_browser) return failure(std::string("an API key is for backends, not for requests with an Origin header"));
  const auto keys = api_keys_.load();
  if (!keys) return failure(std::string("no API keys are configured: set API_KEYS_FILE"));
  const ApiKey* found = keys->find(key);
  if (!found) return failure(std::string("the API key is unknown"));
  return make_key_identity(found->name, found->role, found->digest);
}

bool Authenticator::still_accepts(const Identity& identity) const {
  switch (identity.key_mark.kind) {
    case KeyKind::secret:
      return true;
    case KeyKind::jwks: {
      const auto jwks = jwks_.load();
      return jwks && jwks->keys->holds(identity.key_id, identity.key_mark.digest);
    }
    case KeyKind::api_key: {
      const auto keys = api_keys_.load();
      return keys && !identity.roles.empty() &&
             keys->holds(identity.key_mark.digest, identity.key_id, identity.roles.front());
    }
  }
  return false;
}

void Authenticator::set_jwks(JwksState state) {
  const auto before = jwks_.load();
  const bool changed = !before || !before->keys->same_keys(*state.keys);
  jwks_.store(std::make_shared<const JwksState>(std::move(state)));
  if (changed) note_change();
}

void Authenticator::set_api_keys(ApiKeys keys) {
  const auto before = api_keys_.load();
  if (before && *before == keys) return;
  api_keys_.store(std::make_shared<const ApiKeys>(std::move(keys)));
  note_change();
}

void Authenticator::note_change() {
  generation_.fetch_add(1, std::memory_order_release);
  if (on_change_) on_change_();
}

void Authenticator::tell_of_unknown_key() const {
  if (on_unknown_key_ && !unknown_key_told_.exchange(true, std::memory_order_relaxed)) on_unknown_key_();
}

KeyFigures Authenticator::key_figures() const {
  KeyFigures figures{.verified = verified_.load(std::memory_order_relaxed),
                     .remembered = remembered_.load(std::memory_order_relaxed),
                     .refused = refused_.load(std::memory_order_relaxed),
                     .unknown_keys = unknown_keys_.load(std::memory_order_relaxed)};
  if (const auto jwks = jwks_.load()) figures.jwks = *jwks;
  if (const auto keys = api_keys_.load()) figures.api_keys = keys->size();
  return figures;
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
