#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/allowance.hpp"
#include "base/token_bucket.hpp"

namespace famemely::gateway {

/// What one user may have at once; nothing: as much as they like.
struct UserLimits {
  std::optional<std::uint32_t> connections{};
  std::optional<std::uint32_t> subscriptions{};
  std::optional<Rate> publishes{};

  [[nodiscard]] bool any() const { return connections || subscriptions || publishes; }
};

/// What a user has, on all workers together. Whoever counts something of the user holds the account, and counts without
/// a lock.
struct UserAccount {
  Allowance connections;
  Allowance subscriptions;
  TokenBucket publishes;

  /// True if it says no more than a new one would.
  [[nodiscard]] bool empty(Instant now) const {
    return connections.taken() == 0 && subscriptions.taken() == 0 && publishes.full(now);
  }
};

/// Where the accounts are. A port: all workers and the link share one. Callable from any thread.
class UserAccounts {
 public:
  virtual ~UserAccounts() = default;
  [[nodiscard]] virtual const UserLimits& limits() const = 0;
  [[nodiscard]] virtual std::shared_ptr<UserAccount> of(std::string_view user_id, Instant now) = 0;
};

/// A socket's place in its user's account: it counts as a connection, with the subscriptions of its own, as long as it
/// lives. The empty one counts nothing, and lets everything pass: of a user without limits.
class UserSeat {
 public:
  UserSeat() = default;
  UserSeat(UserSeat&& other) noexcept;
  UserSeat& operator=(UserSeat&& other) noexcept;
  ~UserSeat();

  /// Nothing if the user has as many connections as there may be.
  [[nodiscard]] static std::optional<UserSeat> take(UserAccounts* accounts, std::string_view user_id, Instant now);

  /// Counts one subscription more; false if there may be none.
  [[nodiscard]] bool add_subscription();
  /// So many are left, at most.
  void keep_subscriptions(std::size_t count);
  /// As TokenBucket::take.
  [[nodiscard]] std::optional<Duration> publish(Instant now);

 private:
  UserSeat(const UserLimits& limits, std::shared_ptr<UserAccount> account)
      : limits_(&limits), account_(std::move(account)) {}
  void leave();

  const UserLimits* limits_ = nullptr;
  std::shared_ptr<UserAccount> account_;
  std::uint32_t subscriptions_ = 0;
};

}  // namespace famemely::gateway
