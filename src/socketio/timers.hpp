#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/instant.hpp"

namespace famemely::socketio {

/// What is to be called later, on one node.
class Timers {
 public:
  using Id = std::uint64_t;

  Id add(Instant due, std::function<void()> call) {
    const Id id = ++last_;
    const auto place = by_time_.emplace(due, std::pair(id, std::move(call)));
    by_id_.emplace(id, place);
    return id;
  }
  void cancel(Id id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    by_time_.erase(found->second);
    by_id_.erase(found);
  }
  /// Calls what is due. What is added meanwhile waits for the next time, however soon it is due.
  void run(Instant now) {
    const Id last = last_;
    for (auto next = by_time_.begin(); next != by_time_.end() && next->first <= now;) {
      if (next->second.first > last) {
        ++next;
        continue;
      }
      const std::function<void()> call = std::move(next->second.second);
      by_id_.erase(next->second.first);
      by_time_.erase(next);
      call();
      next = by_time_.begin();
    }
  }
  [[nodiscard]] Instant next() const { return by_time_.empty() ? kNever : by_time_.begin()->first; }
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

 private:
  using ByTime = std::multimap<Instant, std::pair<Id, std::function<void()>>>;

  ByTime by_time_;
  std::unordered_map<Id, ByTime::iterator> by_id_;
  Id last_ = 0;
};

}  // namespace famemely::socketio
