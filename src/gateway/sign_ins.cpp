#include "gateway/sign_ins.hpp"

#include <utility>

namespace famemely::gateway {

Result<SignedIn, Error> SignIns::sign_in(std::string_view token, bool from_browser, WallTime now) {
  if (const auto found = known_.find(token); found != known_.end()) {
    const Identity& identity = *found->second.identity;
    if (!identity.expires_at || now >= *identity.expires_at)
      known_.erase(found);  // within the leeway it is verified each time
    else if (!identity.backend_only || !from_browser)
      return found->second;
  }
  auto identity = authenticator_.authenticate(token, from_browser, now);
  if (!identity) return failure(std::move(identity.error()));
  SignedIn signed_in{*identity, std::make_shared<const Permissions>(policy_, **identity)};
  if (signed_in.identity->expires_at && now < *signed_in.identity->expires_at) {
    if (known_.size() >= kTokensMax) known_.clear();
    known_.insert_or_assign(std::string(token), signed_in);
  }
  return signed_in;
}

}  // namespace famemely::gateway
