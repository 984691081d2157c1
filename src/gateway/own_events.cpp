#include "gateway/own_events.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace famemely::gateway {
namespace {

/// The number of a live message; nothing if the text is anything else.
std::optional<MessageSequence> live_message(std::string_view offset) {
  MessageSequence sequence = 0;
  const auto [end, fault] = std::from_chars(offset.data(), offset.data() + offset.size(), sequence);
  if (fault != std::errc() || end != offset.data() + offset.size()) return std::nullopt;
  return sequence;
}

}  // namespace

void OwnEvents::add(Event event, const Limits& limits) {
  bytes_ += event.frame.size() + kEventOverhead;
  const Instant now = event.at;
  events_.push_back(std::move(event));
  trim(now, limits);
}

void OwnEvents::trim(Instant now, const Limits& limits) {
  // The newest of those past their time stays: a client that was sent nothing since has its offset.
  while (kept().size() > 1 && (kept()[1].at + limits.window < now || bytes_ > limits.bytes_max)) drop_first();
  if (first_ > 16 && first_ > events_.size() / 2) {
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void OwnEvents::drop_first() {
  Event& event = events_[first_++];
  bytes_ -= event.frame.size() + kEventOverhead;
  dropped_after_ = event.after;
  event = {};
}

std::optional<MessageSequence> OwnEvents::seen(std::string_view offset) {
  if (const auto sequence = live_message(offset)) {
    while (!kept().empty() && kept().front().after < *sequence) drop_first();
    if (dropped_after_ && *dropped_after_ >= *sequence) return std::nullopt;
    seen_ = 0;
    return sequence;
  }
  // The last one: two fetches for the same filter bring the same offsets.
  const std::span<const Event> events = kept();
  const auto found =
      std::find_if(events.rbegin(), events.rend(), [&](const Event& event) { return event.offset == offset; });
  if (found == events.rend()) return std::nullopt;
  for (auto count = events.rend() - found - 1; count > 0; --count) drop_first();
  seen_ = 1;
  return kept().front().after;
}

std::span<const OwnEvents::Event> OwnEvents::missed() const { return kept().subspan(seen_); }

void OwnEvents::clear() {
  while (kept().size() > 1) drop_first();
  seen_ = 0;
}

}  // namespace famemely::gateway
