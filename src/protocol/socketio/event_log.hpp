#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/instant.hpp"

namespace famemely::socketio {

/// What has been sent to whom lately, each event once however many sockets it went to: what a client has missed is
/// found again here when it comes back. An audience is a number that stands for a room or a topic filter.
///
/// Bounded in time and bytes. Adding costs one step for each audience of the event, finding costs the events found,
/// whatever else is in the log.
template <typename Event>
class EventLog {
 public:
  /// Events are counted up by their owner, in the order in which clients get them.
  using Sequence = std::uint64_t;
  using Audience = std::uint32_t;

  /// Bytes that an event takes besides those it is added with.
  static constexpr std::size_t kEventOverhead = 128;
  static constexpr std::size_t kAudienceOverhead = 16;

  struct Limits {
    Duration window{};          // how long an event is kept
    std::size_t bytes_max = 0;  // of all events
  };
  /// A client hears an audience's events that come after this one.
  struct Interest {
    Audience audience;
    Sequence after;
  };

  explicit EventLog(Limits limits) : limits_(limits) {}

  /// The sequence is higher than any before.
  void add(Sequence sequence, std::span<const Audience> audiences, Event event, std::size_t bytes, Instant now) {
    bytes_ += bytes + overhead(audiences.size());
    entries_.push_back({sequence, now, bytes, {audiences.begin(), audiences.end()}, std::move(event)});
    for (const Audience audience : audiences) audiences_[audience].sequences.push_back(sequence);
    trim(now);
  }

  /// What one client has missed, in order, each event once; nothing if that is more than so many bytes, or if some of
  /// it has gone from the log already.
  [[nodiscard]] std::optional<std::vector<const Event*>> missed(std::span<const Interest> interests,
                                                                std::size_t bytes_max) const {
    std::vector<Cursor> cursors;
    for (const Interest& interest : interests) {
      const auto found = audiences_.find(interest.audience);
      if (found == audiences_.end()) continue;
      const Heard& heard = found->second;
      if (heard.trimmed_through > interest.after) return std::nullopt;
      const auto first = std::ranges::upper_bound(heard.sequences, interest.after);
      if (first != heard.sequences.end())
        cursors.push_back({&heard.sequences, static_cast<std::size_t>(first - heard.sequences.begin())});
    }
    const auto later = [](const Cursor& one, const Cursor& other) { return one.sequence() > other.sequence(); };
    std::ranges::make_heap(cursors, later);
    std::vector<const Event*> events;
    std::size_t bytes = 0;
    Sequence last = 0;
    while (!cursors.empty()) {
      std::ranges::pop_heap(cursors, later);
      Cursor& cursor = cursors.back();
      if (const Sequence sequence = cursor.sequence(); events.empty() || sequence != last) {
        const Entry& entry = *find(sequence);
        bytes += entry.bytes;
        if (bytes > bytes_max) return std::nullopt;
        events.push_back(&entry.event);
        last = sequence;
      }
      if (++cursor.at == cursor.sequences->size())
        cursors.pop_back();
      else
        std::ranges::push_heap(cursors, later);
    }
    return events;
  }

  /// Drops what is past its time or the bound.
  void trim(Instant now) {
    while (!entries_.empty() && (entries_.front().added + limits_.window < now || bytes_ > limits_.bytes_max)) {
      const Entry& oldest = entries_.front();
      for (const Audience audience : oldest.audiences) {
        const auto found = audiences_.find(audience);
        if (found == audiences_.end()) continue;  // forgotten
        found->second.sequences.pop_front();
        found->second.trimmed_through = oldest.sequence;
      }
      bytes_ -= oldest.bytes + overhead(oldest.audiences.size());
      entries_.pop_front();
    }
  }

  /// Nobody hears this audience any more, and its number is not used again.
  void forget(Audience audience) { audiences_.erase(audience); }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Sequence sequence;
    Instant added;
    std::size_t bytes;
    std::vector<Audience> audiences;
    Event event;
  };
  /// What one audience was sent.
  struct Heard {
    std::deque<Sequence> sequences;
    Sequence trimmed_through = 0;
  };
  struct Cursor {
    const std::deque<Sequence>* sequences;
    std::size_t at;

    [[nodiscard]] Sequence sequence() const { return (*sequences)[at]; }
  };

  static constexpr std::size_t overhead(std::size_t audiences) {
    return kEventOverhead + audiences * kAudienceOverhead;
  }

  [[nodiscard]] auto find(Sequence sequence) const {
    return std::ranges::lower_bound(entries_, sequence, {}, &Entry::sequence);
  }

  Limits limits_;
  std::deque<Entry> entries_;
  std::unordered_map<Audience, Heard> audiences_;
  std::size_t bytes_ = 0;
};

}  // namespace famemely::socketio
