#include "gateway/sign_ins.hpp"

#include <algorithm>
#include <utility>

#include "protocol/jwt/digest.hpp"

namespace famemely::gateway {

Result<SignedIn, Error> SignIns::sign_in(std::string_view token, bool from_browser, WallTime now) {
  follow_keys();
  if (token.empty() || token.size() > jwt::kTokenBytesMax) return verify(token, from_browser, now);
  std::string digest = jwt::sha256(token);
  if (const SignedIn* known = recall(digest, now); known && !(known->identity->backend_only && from_browser)) {
    authenticator_.count_remembered();
    return *known;
  }
  auto signed_in = verify(token, from_browser, now);
  if (!signed_in) return signed_in;
  if (const auto& expires_at = signed_in->identity->expires_at; !expires_at || now < *expires_at) {
    make_room(now);
    known_.insert_or_assign(std::move(digest), *signed_in);
  }
  return signed_in;
}

Result<SignedIn, Error> SignIns::verify(std::string_view token, bool from_browser, WallTime now) const {
  auto identity = authenticator_.authenticate(token, from_browser, now);
  if (!identity) return failure(std::move(identity.error()));
  return SignedIn{*identity, std::make_shared<const Permissions>(policy_, **identity)};
}

const SignedIn* SignIns::recall(const std::string& digest, WallTime now) {
  const auto found = known_.find(digest);
  if (found == known_.end()) return nullptr;
  const auto& expires_at = found->second.identity->expires_at;
  if (!expires_at || now < *expires_at) {
    // The rules may have changed since.
    if (&found->second.permissions->policy() != policy_.get())
      found->second.permissions = std::make_shared<const Permissions>(policy_, *found->second.identity);
    return &found->second;
  }
  known_.erase(found);  // within the leeway it is verified each time
  return nullptr;
}

void SignIns::make_room(WallTime now) {
  if (known_.size() < room_) return;
  std::erase_if(known_, [&](const auto& entry) {
    const std::shared_ptr<const Identity>& identity = entry.second.identity;
    return identity.use_count() == 1 || (identity->expires_at && now >= *identity->expires_at);
  });
  room_ = std::max(kTokensMax, 2 * known_.size());
}

void SignIns::follow_keys() {
  const std::uint64_t generation = authenticator_.generation();
  if (std::exchange(keys_seen_, generation) == generation) return;
  std::erase_if(known_, [&](const auto& entry) { return !authenticator_.still_accepts(*entry.second.identity); });
}

void SignIns::use_policy(std::shared_ptr<const PermissionPolicy> policy) { policy_ = std::move(policy); }

}  // namespace famemely::gateway
