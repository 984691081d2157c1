#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "gateway/ports.hpp"
#include "protocol/socketio/encoder.hpp"

namespace famemely::gateway {

/// What one socket has been sent lately that nobody else was: answers, status, retained messages. (Live messages, which
/// many share, are kept once for all at the link.) Kept for the case that the client comes back without having seen it.
///
/// Offsets are what a client tells of the last event that it saw: the number of a live message, or the text that an
/// event of its own carries.
class OwnEvents {
 public:
  /// Bytes that an event takes besides its frame.
  static constexpr std::size_t kEventOverhead = 96;

  struct Event {
    std::string offset;
    MessageSequence after;  // the last live message before it
    socketio::Frame frame;
    Instant at;
    FilterId filter = 0;  // a retained message: whose it is
  };

  struct Limits {
    Duration window{};
    std::size_t bytes_max = 0;
  };

  /// `after` is never less than before.
  void add(Event event, const Limits& limits);
  /// Drops what is past its time or the bound, but for the newest.
  void trim(Instant now, const Limits& limits);
  /// Drops what the client has seen by this offset, and tells the last live message that it saw; nothing if the offset
  /// is unknown, or something after it is not kept any more. The event of the offset itself stays, as a mark.
  [[nodiscard]] std::optional<MessageSequence> seen(std::string_view offset);
  /// After `seen`: what the client has not.
  [[nodiscard]] std::span<const Event> missed() const;
  /// Keeps nothing but the mark of where it has been.
  void clear();

  /// The last one, if it is kept.
  [[nodiscard]] const Event* newest() const { return kept().empty() ? nullptr : &kept().back(); }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void drop_first();
  [[nodiscard]] std::span<const Event> kept() const { return std::span(events_).subspan(first_); }

  std::vector<Event> events_;  // from `first_` on
  std::size_t first_ = 0;
  std::size_t bytes_ = 0;
  std::size_t seen_ = 0;                          // of those kept, after `seen`
  std::optional<MessageSequence> dropped_after_;  // of the newest that was dropped
};

}  // namespace famemely::gateway
