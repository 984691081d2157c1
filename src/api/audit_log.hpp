#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "base/logger.hpp"

namespace famemely::api {

/// What is worth a line of the log for who later asks who did what.
enum class AuditEvent : std::uint8_t {
  connected,
  recovered,
  disconnected,
  refused,        // a socket that may not come in
  turned_away,    // whoever it was: too many, too fast, or from a page that may not
  unauthorized,   // a request without a good token
  denied,         // a publish or subscription without a right to it
  subscribed,     // asked for, with a right to it
  revoked,        // a right that is gone took a subscription away
  renewed,        // another token of the same user
  not_renewed,    // a token that mqtt:auth may not bring
  administrator,  // what administrators do
};
inline constexpr std::size_t kAuditEvents = 12;

/// Lines at level `info`, so many of each event in a second: whoever knocks a thousand times does not fill a disk, nor
/// hide what happens otherwise. How many were left out is told. Nothing in them is a secret: callers pass no tokens.
class AuditLog {
 public:
  /// Of one event and worker.
  static constexpr double kLinesPerSecond = 50;
  static constexpr double kLinesAtOnce = 500;
  /// Of one field; topics may be 65,535 bytes.
  static constexpr std::size_t kFieldBytesMax = 300;

  explicit AuditLog(Logger& logger) : logger_(logger) {}

  /// `make_fields` gives the line's fields, and is called only if the line is written.
  template <typename MakeFields>
  void write(AuditEvent event, Instant now, MakeFields&& make_fields) {
    write(event, name_of(event), now, std::forward<MakeFields>(make_fields));
  }
  /// With a name of its own in place of the event's.
  template <typename MakeFields>
  void write(AuditEvent event, std::string_view name, Instant now, MakeFields&& make_fields) {
    if (takes(event, now)) logger_.info(name, cut(make_fields()));
  }

  /// Tells what was left out.
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const { return next_summary_; }

 private:
  struct Bucket {
    double lines = kLinesAtOnce;
    Instant filled_at{};
    std::uint64_t left_out = 0;
  };

  [[nodiscard]] static std::string_view name_of(AuditEvent event);
  [[nodiscard]] static std::vector<LogField> cut(std::vector<LogField> fields);
  [[nodiscard]] bool takes(AuditEvent event, Instant now);

  Logger& logger_;
  std::array<Bucket, kAuditEvents> buckets_;
  Instant next_summary_ = kNever;
};

}  // namespace famemely::api
