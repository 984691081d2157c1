#include "api/user_limiting.hpp"

#include <fmt/format.h>

#include <utility>

namespace famemely::api {

Result<gateway::UserSeat, Error> UserLimiting::take_seat(std::string_view user_id, Instant now) const {
  auto seat = gateway::UserSeat::take(accounts, user_id, now);
  if (seat) return *std::move(seat);
  count(counters, Limit::connections_per_user);
  return failure(Error{ErrorCode::too_many_requests,
                       fmt::format("Too many connections: a user may have {}", *accounts->limits().connections)});
}

std::optional<Error> UserLimiting::refuse_publish(std::string_view user_id, Instant now) const {
  if (!accounts || !accounts->limits().publishes) return std::nullopt;
  if (!accounts->of(user_id, now)->publishes.take(now, *accounts->limits().publishes)) return std::nullopt;
  return too_many_publishes();
}

void UserLimiting::note_refusal(const Error& error) const {
  if (error.limit) count(counters, *error.limit);
}

Error UserLimiting::too_many_publishes() const {
  count(counters, Limit::publish_rate_per_user);
  return Error{ErrorCode::too_many_requests, fmt::format("Too many publishes: a user may send {} a second",
                                                         accounts->limits().publishes->per_second)};
}

}  // namespace famemely::api
