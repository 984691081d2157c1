#include "socketio/sent_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace famemely::socketio {

std::string offset_of(EventNumber event) { return fmt::format("{:x}", event); }

std::optional<EventNumber> event_of(std::string_view offset) {
  EventNumber event = 0;
  const auto [end, fault] = std::from_chars(offset.data(), offset.data() + offset.size(), event, 16);
  if (fault != std::errc() || end != offset.data() + offset.size() || event == 0) return std::nullopt;
  return event;
}

void SentLog::add(Event event, std::vector<Session> recipients, Instant now, const Limits& limits) {
  if (recipients.empty()) return;
  entries_.push_back({std::move(event), std::move(recipients), now});
  bytes_ += entries_.back().bytes();
  trim(now, limits);
}

std::optional<std::vector<SentLog::Event>> SentLog::missed(Session session, EventNumber seen,
                                                           std::size_t bytes_max) const {
  const auto gone = gone_.find(session);
  if (gone == gone_.end() || seen == 0) return std::nullopt;
  std::vector<Event> events;  // the newest first
  std::size_t bytes = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (std::ranges::find(entry->recipients, session) == entry->recipients.end()) continue;
    if (entry->event.number == seen) {
      std::ranges::reverse(events);
      return events;
    }
    bytes += entry->event.frame.size();
    if (bytes > bytes_max) return std::nullopt;
    events.push_back(entry->event);
  }
  if (gone->second != seen) return std::nullopt;
  std::ranges::reverse(events);
  return events;
}

void SentLog::trim(Instant now, const Limits& limits) {
  while (!entries_.empty() && (entries_.front().at + limits.window < now || bytes_ > limits.bytes_max)) {
    const Entry& oldest = entries_.front();
    for (const Session session : oldest.recipients)
      if (const auto gone = gone_.find(session); gone != gone_.end()) gone->second = oldest.event.number;
    bytes_ -= oldest.bytes();
    entries_.pop_front();
  }
}

}  // namespace famemely::socketio
