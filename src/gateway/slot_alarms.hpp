#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "gateway/subscription_index.hpp"

namespace famemely::gateway {

/// One alarm for each client's slot, set, moved and cancelled: there is one timer for all of them.
class SlotAlarms {
 public:
  void set(ClientSlot slot, Instant due) {
    cancel(slot);
    if (slot >= due_.size()) due_.resize(slot + std::size_t{1}, kNever);
    due_[slot] = due;
    alarms_.emplace(due, slot);
  }
  void cancel(ClientSlot slot) {
    if (slot >= due_.size() || due_[slot] == kNever) return;
    alarms_.erase({std::exchange(due_[slot], kNever), slot});
  }
  /// Takes one slot whose time has come; nothing when there is none left. Its alarm is gone.
  [[nodiscard]] std::optional<ClientSlot> take_due(Instant now) {
    if (alarms_.empty() || alarms_.begin()->first > now) return std::nullopt;
    const ClientSlot slot = alarms_.begin()->second;
    cancel(slot);
    return slot;
  }
  [[nodiscard]] Instant next() const { return alarms_.empty() ? kNever : alarms_.begin()->first; }

 private:
  std::set<std::pair<Instant, ClientSlot>> alarms_;
  std::vector<Instant> due_;  // by slot
};

}  // namespace famemely::gateway
