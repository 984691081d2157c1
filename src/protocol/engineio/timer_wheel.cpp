#include "protocol/engineio/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace famemely::engineio {
TimerWheel::TimerWheel(Duration tick) : tick_(tick), places_(kPlaces, kNone) {}

Duration TimerWheel::tick_for(Duration timeout) {
  return std::clamp<Duration>(timeout / 200, std::chrono::milliseconds(1), std::chrono::milliseconds(10));
}

std::int64_t TimerWheel::tick_at_or_after(Instant time) const {
  const Duration since_epoch = time.time_since_epoch();
  return since_epoch / tick_ + (since_epoch % tick_ != Duration::zero() ? 1 : 0);
}

void TimerWheel::set(std::uint32_t id, Instant deadline) {
  if (id >= nodes_.size()) nodes_.resize(std::size_t{id} + 1);
  cancel(id);
  // A deadline in the past goes where the next look is.
  const std::int64_t tick = std::max(tick_at_or_after(deadline), current_);
  Node& node = nodes_[id];
  const std::size_t place = place_of(tick);
  node = {tick, kNone, places_[place]};
  if (node.after != kNone) nodes_[node.after].before = id;
  places_[place] = id;
  used_[place / 64] |= std::uint64_t{1} << (place % 64);
  ++count_;
}

void TimerWheel::cancel(std::uint32_t id) {
  if (id >= nodes_.size() || nodes_[id].tick == kUnset) return;
  Node& node = nodes_[id];
  const std::size_t place = place_of(node.tick);
  if (node.after != kNone) nodes_[node.after].before = node.before;
  if (node.before != kNone) {
    nodes_[node.before].after = node.after;
  } else {
    places_[place] = node.after;
    if (node.after == kNone) used_[place / 64] &= ~(std::uint64_t{1} << (place % 64));
  }
  node = {};
  --count_;
}

std::optional<TimerWheel::Due> TimerWheel::take_due(Instant now) {
  const std::int64_t last = tick_at_or_before(now);
  // After a long pause one lap finds everything: what is due lies at its place, whichever lap it was meant for.
  current_ = std::max(current_, count_ == 0 ? last : last - static_cast<std::int64_t>(kPlaces) + 1);
  while (current_ <= last) {
    const auto distance = first_used(place_of(current_));
    if (!distance) return std::nullopt;
    if (current_ + static_cast<std::int64_t>(*distance) > last) {
      current_ = last;
      return std::nullopt;
    }
    current_ += static_cast<std::int64_t>(*distance);
    for (std::uint32_t id = places_[place_of(current_)]; id != kNone; id = nodes_[id].after) {
      if (nodes_[id].tick > current_) continue;  // of a later lap
      const Due due{id, Instant(nodes_[id].tick * tick_)};
      cancel(id);
      return due;
    }
    ++current_;
  }
  return std::nullopt;
}

Instant TimerWheel::next() const {
  if (count_ == 0) return kNever;
  const auto distance = first_used(place_of(current_));
  return Instant((current_ + static_cast<std::int64_t>(*distance)) * tick_);
}

std::optional<std::size_t> TimerWheel::first_used(std::size_t from) const {
  constexpr std::size_t kWords = kPlaces / 64;
  for (std::size_t i = 0; i <= kWords; ++i) {
    const std::size_t word = (from / 64 + i) % kWords;
    std::uint64_t bits = used_[word];
    if (i == 0) bits &= ~std::uint64_t{0} << (from % 64);
    if (i == kWords) bits &= ~(~std::uint64_t{0} << (from % 64));
    if (bits == 0) continue;
    const std::size_t place = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    return (place + kPlaces - from) % kPlaces;
  }
  return std::nullopt;
}

}  // namespace famemely::engineio
