#include "socketio/sessions.hpp"

#include <utility>

namespace famemely::socketio {

Sessions::Number Sessions::add(Session session) {
  do last_ = (last_ + 1) | kFirst;
  while (sessions_.contains(last_));
  by_pid_.insert_or_assign(session.pid, last_);
  sessions_.emplace(last_, std::move(session));
  return last_;
}

Session* Sessions::find(Number number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? nullptr : &found->second;
}

std::optional<Sessions::Number> Sessions::by_pid(const Sid& pid) const {
  const auto found = by_pid_.find(pid);
  if (found == by_pid_.end()) return std::nullopt;
  return found->second;
}

void Sessions::remove(Number number) {
  unkeep(number);
  const auto found = sessions_.find(number);
  by_pid_.erase(found->second.pid);
  sessions_.erase(found);
}

void Sessions::keep(Number number, Instant until, std::size_t bytes) {
  Session& session = sessions_.at(number);
  session.is_kept = true;
  session.socket = {};
  session.until = until;
  session.bytes = bytes;
  kept_bytes_ += bytes;
  by_end_.emplace(until, number);
}

void Sessions::unkeep(Number number) {
  Session& session = sessions_.at(number);
  if (!std::exchange(session.is_kept, false)) return;
  kept_bytes_ -= session.bytes;
  const auto [first, last] = by_end_.equal_range(session.until);
  for (auto place = first; place != last; ++place) {
    if (place->second != number) continue;
    by_end_.erase(place);
    return;
  }
}

std::optional<Sessions::Number> Sessions::first_to_end() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->second;
}

std::vector<Sessions::Number> Sessions::numbers() const {
  std::vector<Number> numbers;
  numbers.reserve(sessions_.size());
  for (const auto& [number, session] : sessions_) numbers.push_back(number);
  return numbers;
}

}  // namespace famemely::socketio
