#include "app/shared_limits.hpp"

#include <optional>

namespace famemely::app {
namespace {

std::optional<Rate> rate(const std::optional<std::uint32_t>& per_second) {
  return per_second ? std::optional(Rate{*per_second}) : std::nullopt;
}

}  // namespace

SharedLimits::SharedLimits(const Config& config)
    : users({.connections = config.limit_connections_per_user,
             .subscriptions = config.limit_subscriptions_per_user,
             .publishes = rate(config.limit_publish_rate_per_user)}),
      connections({.in_all = config.limit_connections,
                   .per_address = config.limit_connections_per_address,
                   .requests_per_address = rate(config.limit_request_rate_per_address)},
                  counters) {}

}  // namespace famemely::app
