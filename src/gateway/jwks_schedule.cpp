#include "gateway/jwks_schedule.hpp"

#include <algorithm>
#include <utility>

namespace famemely::gateway {
namespace {

/// The part of a set's lifetime after which the next one is fetched, so that it is here before the first one is stale.
constexpr int kRefreshTenths = 9;

}  // namespace

void JwksSchedule::on_begin(Instant now) {
  fetching_ = true;
  begun_ = now;
}

void JwksSchedule::on_success(std::optional<std::chrono::seconds> max_age, Instant now) {
  fetching_ = false;
  retry_ = kRetryMin;
  const std::chrono::seconds lifetime =
      std::clamp<std::chrono::seconds>(max_age.value_or(kLifetimeMax), kLifetimeMin, kLifetimeMax);
  due_ = now + std::chrono::duration_cast<Duration>(lifetime) * kRefreshTenths / 10;
  end_of_keys_ = now + lifetime + max_stale_;
  if (const auto wished = std::exchange(wished_, std::nullopt)) wish(*wished);
}

void JwksSchedule::on_failure(Instant now) {
  fetching_ = false;
  due_ = now + retry_;
  retry_ = std::min(2 * retry_, kRetryMax);
  if (const auto wished = std::exchange(wished_, std::nullopt)) wish(*wished);
}

void JwksSchedule::on_unknown_key(Instant now) {
  // A key that the set of the fetch on its way may have is not worth another one.
  if (fetching_) return;
  wish(begun_ ? std::max(now, *begun_ + kUnknownKeyInterval) : now);
}

void JwksSchedule::on_demand(Instant now) {
  if (fetching_)
    wished_ = now;
  else
    wish(now);
}

void JwksSchedule::wish(Instant when) { due_ = std::min(due_, when); }

}  // namespace famemely::gateway
