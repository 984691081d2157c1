#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/instant.hpp"
#include "protocol/socketio/encoder.hpp"

namespace famemely::socketio {

/// An event that can be missed: its text is the offset that clients see. Unlike for all nodes; 0 is none.
using EventNumber = std::uint64_t;
[[nodiscard]] std::string offset_of(EventNumber event);
/// The event of an offset that `offset_of` has made.
[[nodiscard]] std::optional<EventNumber> event_of(std::string_view offset);

/// What the sessions of one node have been sent lately, each event once with the sessions that it went to: what one of
/// them has missed is found here when its client comes back. Who was in which room is no question any more by then.
///
/// Bounded in time and bytes. Adding costs a number for each recipient; finding costs a look at everything that was
/// sent to anybody since.
class SentLog {
 public:
  using Session = std::uint32_t;

  /// Bytes that an event takes besides its frame and its recipients.
  static constexpr std::size_t kEventOverhead = 128;

  struct Limits {
    Duration window{};
    std::size_t bytes_max = 0;
  };
  struct Event {
    EventNumber number;
    Frame frame;
  };

  /// A session begins, and has seen this event so far.
  void begin(Session session, EventNumber seen = 0) { gone_.insert_or_assign(session, seen); }
  void end(Session session) { gone_.erase(session); }

  void add(Event event, std::vector<Session> recipients, Instant now, const Limits& limits);
  /// What the session was sent after this event, in order. Nothing if it was not sent that, or not lately enough, or if
  /// that is more than so many bytes.
  [[nodiscard]] std::optional<std::vector<Event>> missed(Session session, EventNumber seen,
                                                         std::size_t bytes_max) const;
  void trim(Instant now, const Limits& limits);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// When the oldest was sent.
  [[nodiscard]] Instant oldest() const { return entries_.empty() ? kNever : entries_.front().at; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Event event;
    std::vector<Session> recipients;
    Instant at;

    [[nodiscard]] std::size_t bytes() const {
      return event.frame.size() + kEventOverhead + recipients.size() * sizeof(Session);
    }
  };

  std::deque<Entry> entries_;
  /// By session: the last of its events that is not kept any more. Everything after that one is.
  std::unordered_map<Session, EventNumber> gone_;
  std::size_t bytes_ = 0;
};

}  // namespace famemely::socketio
