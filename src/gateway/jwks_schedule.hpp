#pragma once

#include <chrono>
#include <optional>

#include "base/instant.hpp"

namespace famemely::gateway {

/// When to fetch the JWKS, and how long the last one counts. It fetches nothing: whoever does tells it how that went.
class JwksSchedule {
 public:
  /// A fetched set is used for so long without a look for a newer one, or for `max-age` if that is shorter.
  static constexpr std::chrono::minutes kLifetimeMax{10};
  /// Also where the issuer says less: nobody's keys change so often, and his server is not ours to flood.
  static constexpr std::chrono::seconds kLifetimeMin{10};
  /// Between two fetches of which one was asked for because of an unknown key.
  static constexpr std::chrono::seconds kUnknownKeyInterval{30};
  static constexpr std::chrono::seconds kRetryMin{1};
  static constexpr std::chrono::seconds kRetryMax{60};

  /// The first fetch is due at once. Where no other follows, a set counts for `max_stale` beyond its lifetime.
  JwksSchedule(Duration max_stale, Instant now) : max_stale_(max_stale), due_(now) {}

  /// When the next fetch is due; never while one is on its way.
  [[nodiscard]] Instant next_fetch() const { return fetching_ ? kNever : due_; }
  /// When the last set ends to count; never if there is none.
  [[nodiscard]] Instant end_of_keys() const { return end_of_keys_; }

  void on_begin(Instant now);
  /// `max_age` as the answer's header says.
  void on_success(std::optional<std::chrono::seconds> max_age, Instant now);
  void on_failure(Instant now);
  /// A token names a key that is not in the set: a newer set is worth a look.
  void on_unknown_key(Instant now);
  /// Somebody wants it now: the operator, or a file that has changed.
  void on_demand(Instant now);
  /// The set has ended, and been taken away.
  void on_end_of_keys() { end_of_keys_ = kNever; }

 private:
  void wish(Instant when);

  Duration max_stale_;
  Instant due_;
  bool fetching_ = false;
  std::optional<Instant> begun_;   // the last one
  std::optional<Instant> wished_;  // while one was on its way, for after it
  std::chrono::seconds retry_ = kRetryMin;
  Instant end_of_keys_ = kNever;
};

}  // namespace famemely::gateway
