#pragma once

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "base/result.hpp"
#include "gateway/user_account.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::api {

/// What one user may do at most, asked where the user does it: refusals are worded and counted here. Without accounts
/// nothing is limited.
struct UserLimiting {
  gateway::UserAccounts* accounts = nullptr;
  LimitCounters* counters = nullptr;
  mqtt::TopicLimits topics{};

  /// A socket's place, or why there is none.
  [[nodiscard]] Result<gateway::UserSeat, Error> take_seat(std::string_view user_id, Instant now) const;
  /// One publish of a user who has no socket at hand: the refusal, if it is one too many.
  [[nodiscard]] std::optional<Error> refuse_publish(std::string_view user_id, Instant now) const;
  /// Counts a refusal if it is for a limit that is not counted yet.
  void note_refusal(const Error& error) const;
  /// The refusal of a publish that a seat has found to be one too many.
  [[nodiscard]] Error too_many_publishes() const;
};

}  // namespace famemely::api
