#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "gateway/api_keys.hpp"
#include "gateway/claim_path.hpp"
#include "gateway/identity.hpp"
#include "gateway/snapshot.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::gateway {

/// The keys of a JWKS as far as they are known, and how they have been come by.
struct JwksState {
  std::shared_ptr<const jwt::KeySet> keys = std::make_shared<const jwt::KeySet>();
  /// Why there are no keys, in words for those whose tokens need one; empty while a fetched set is in force.
  std::string absence{};
  std::optional<WallTime> fetched_at{};  // the set in force
  std::uint64_t fetches = 0;             // that have brought a set
  std::uint64_t failures = 0;
};

/// What `GET /mqtt/stats` shows of keys and tokens.
struct KeyFigures {
  std::uint64_t verified = 0;    // tokens and API keys accepted by a look at the key
  std::uint64_t remembered = 0;  // accepted because the same had been verified before
  std::uint64_t refused = 0;
  std::uint64_t unknown_keys = 0;  // refused because the JWKS has no such key
  std::optional<JwksState> jwks{};
  std::optional<std::size_t> api_keys{};
};

/// Turns the token of a request or a CONNECT packet into an identity. One for the process; callable from any thread.
class Authenticator {
 public:
  Authenticator(jwt::Verifier verifier, RoleClaims role_claims)
      : verifier_(std::move(verifier)), role_claims_(std::move(role_claims)) {}
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// An empty token is `No token provided`. `from_browser`: the request carried an `Origin` header, so keys of backends
  /// are refused.
  [[nodiscard]] Result<std::shared_ptr<const Identity>, Error> authenticate(std::string_view token, bool from_browser,
                                                                            WallTime now) const;
  /// The key that has vouched for this identity is in force, for the same user with the same role. Whether the token
  /// has expired is another question.
  [[nodiscard]] bool still_accepts(const Identity& identity) const;

  /// From now on these keys count. Before the first call no JWKS, and no API keys, are configured.
  void set_jwks(JwksState state);
  void set_api_keys(ApiKeys keys);
  /// Called after each change of keys, on the thread that made it. To be set before the first.
  void set_on_change(std::function<void()> on_change) { on_change_ = std::move(on_change); }
  /// Counts the changes of keys: what was found out at another number may have changed.
  [[nodiscard]] std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  /// Called, on whatever thread, when a token names a key that the JWKS does not have; once until `expect_keys`. To be
  /// set before anybody authenticates.
  void set_on_unknown_key(std::function<void()> on_unknown_key) { on_unknown_key_ = std::move(on_unknown_key); }
  /// The wish for newer keys has been heard: the next unknown key is told of again.
  void expect_keys() { unknown_key_told_.store(false, std::memory_order_relaxed); }

  /// A token has been accepted without a look at the key.
  void count_remembered() const { remembered_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] KeyFigures key_figures() const;

 private:
  [[nodiscard]] Result<Identity, std::string> identify(std::string_view token, bool from_browser, WallTime now) const;
  [[nodiscard]] Result<Identity, std::string> identify_api_key(std::string_view key, bool from_browser) const;
  void tell_of_unknown_key() const;
  void note_change();

  jwt::Verifier verifier_;
  RoleClaims role_claims_;
  std::function<void()> on_unknown_key_;
  std::function<void()> on_change_;
  Snapshot<JwksState> jwks_{nullptr};
  Snapshot<ApiKeys> api_keys_{nullptr};
  std::atomic<std::uint64_t> generation_ = 0;
  mutable std::atomic<bool> unknown_key_told_ = false;
  mutable std::atomic<std::uint64_t> verified_ = 0;
  mutable std::atomic<std::uint64_t> remembered_ = 0;
  mutable std::atomic<std::uint64_t> refused_ = 0;
  mutable std::atomic<std::uint64_t> unknown_keys_ = 0;
};

/// The token of an `Authorization: Bearer …` header's value; empty if it is of another scheme.
[[nodiscard]] std::string_view bearer_token(std::string_view authorization);

}  // namespace famemely::gateway
