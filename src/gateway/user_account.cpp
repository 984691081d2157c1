#include "gateway/user_account.hpp"

#include <limits>
#include <utility>

namespace famemely::gateway {

UserSeat::UserSeat(UserSeat&& other) noexcept
    : limits_(other.limits_),
      account_(std::move(other.account_)),
      subscriptions_(std::exchange(other.subscriptions_, 0)) {}

UserSeat& UserSeat::operator=(UserSeat&& other) noexcept {
  if (this == &other) return *this;
  leave();
  limits_ = other.limits_;
  account_ = std::move(other.account_);
  subscriptions_ = std::exchange(other.subscriptions_, 0);
  return *this;
}

UserSeat::~UserSeat() { leave(); }

void UserSeat::leave() {
  if (!account_) return;
  account_->subscriptions.give_back(subscriptions_);
  account_->connections.give_back();
  account_.reset();
}

std::optional<UserSeat> UserSeat::take(UserAccounts* accounts, std::string_view user_id, Instant now) {
  if (!accounts || !accounts->limits().any()) return UserSeat();
  auto account = accounts->of(user_id, now);
  if (!account->connections.take(accounts->limits().connections.value_or(std::numeric_limits<std::uint32_t>::max())))
    return std::nullopt;
  return UserSeat(accounts->limits(), std::move(account));
}

bool UserSeat::add_subscription() {
  if (!account_ || !limits_->subscriptions) return true;
  if (!account_->subscriptions.take(*limits_->subscriptions)) return false;
  ++subscriptions_;
  return true;
}

void UserSeat::keep_subscriptions(std::size_t count) {
  if (subscriptions_ <= count) return;
  const auto left = static_cast<std::uint32_t>(count);
  account_->subscriptions.give_back(subscriptions_ - left);
  subscriptions_ = left;
}

std::optional<Duration> UserSeat::publish(Instant now) {
  if (!account_ || !limits_->publishes) return std::nullopt;
  return account_->publishes.take(now, *limits_->publishes);
}

}  // namespace famemely::gateway
