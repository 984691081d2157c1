/// The part of the upstream filters that spreads overlapping ones over lanes, where the broker does not tell copies
/// apart.

#include <algorithm>
#include <bitset>

#include "gateway/upstream_filters.hpp"

namespace famemely::gateway {

Error UpstreamFilters::no_lane_is_free() {
  return {ErrorCode::unavailable, "Too many overlapping filters for this broker"};
}

void UpstreamFilters::set_numbered(bool numbered) {
  if (std::exchange(numbered_, numbered) != numbered) assign_lanes();
}

/// Looks at the filters that are older than `before`: they have their lanes.
std::optional<LaneIndex> UpstreamFilters::free_lane(const mqtt::TopicFilter& filter, FilterId before,
                                                    Ghosts ghosts) const {
  if (numbered_) return LaneIndex{0};
  std::bitset<kLanesMax> taken;
  std::vector<FilterId> others;
  trie_.overlapping(filter, others);
  for (const FilterId other : others)
    if (other < before) taken.set(filters_.at(other).lane);
  for (LaneIndex lane = 0; lane < kLanesMax; ++lane) {
    if (taken[lane]) continue;
    others.clear();
    if (ghosts == Ghosts::avoid) ghost_tries_[lane].overlapping(filter, others);
    if (others.empty()) return lane;
  }
  return std::nullopt;
}

// --- waiting for a lane ---

/// Only those wait that will get one when what is on its way has come.
void UpstreamFilters::wait_for_lane(const SubscribeCommand& command, Instant deadline) {
  if (!free_lane(command.filter, last_id_ + 1, Ghosts::ignore)) {
    actions_.events.emplace_back(command.worker, SubscribeAnswer{command.request, failure(no_lane_is_free())});
    return;
  }
  lane_waiters_.push_back(command);
  if (deadline != kNever) deadlines_.emplace(deadline, Deadline{command.worker, command.request, kNoFilter});
}

void UpstreamFilters::admit_lane_waiters() {
  for (const SubscribeCommand& command : std::exchange(lane_waiters_, {})) {
    ask(command, kNever);  // its deadline is there already
    if (const auto id = find(command.filter.text())) retarget(command.worker, command.request, *id);
  }
}

void UpstreamFilters::retarget(WorkerIndex worker, RequestId request, FilterId filter) {
  for (auto& [due, deadline] : deadlines_)
    if (deadline.worker == worker && deadline.request == request) deadline.filter = filter;
}

// --- ghosts ---

void UpstreamFilters::leave_ghost(LaneIndex lane, const mqtt::TopicFilter& filter) {
  ghosts_.emplace(++last_ghost_, Ghost{lane, filter});
  ghost_tries_[lane].insert(filter, last_ghost_);
}

void UpstreamFilters::on_unsubscribed(LaneIndex lane, const mqtt::TopicFilter& filter) {
  const std::optional<std::uint32_t> ghost = ghost_tries_[lane].find(filter);
  if (!ghost) return;
  ghosts_.at(*ghost).unsubscribed = ghosts_may_go_ = true;
}

void UpstreamFilters::erase_ghosts(const std::function<bool(const Ghost&)>& which) {
  std::erase_if(ghosts_, [&](const auto& each) {
    if (!which(each.second)) return false;
    ghost_tries_[each.second.lane].erase(each.second.filter);
    return true;
  });
}

// --- lanes ---

/// Everything is asked for anew, because the broker is another one now, or has changed its ways.
void UpstreamFilters::assign_lanes() {
  lanes_wanted_ = 1;
  erase_ghosts([](const Ghost&) { return true; });
  std::vector<FilterId> left_over;
  for (auto& [id, filter] : filters_) {
    const std::optional<LaneIndex> lane = free_lane(filter.filter, id, Ghosts::avoid);
    if (filter.sent && lane != filter.lane) to_unsubscribe_.emplace(filter.lane, filter.filter.text());
    filter.state = State::absent;
    filter.sent = filter.granted_before = filter.raised = false;
    filter.number = 0;
    filter.lane = lane.value_or(LaneIndex{0});
    lanes_wanted_ = std::max<LaneIndex>(lanes_wanted_, filter.lane + 1);
    if (!lane) left_over.push_back(id);
  }
  changed();
  for (const FilterId id : left_over) {
    take_away(filters_.at(id), id, no_lane_is_free());
    drop(id);
  }
}

bool UpstreamFilters::waits_for_older(FilterId id, const Filter& filter) const {
  if (numbered_) return false;
  return std::ranges::any_of(overlapping(id), [&](FilterId other) {
    const Filter& older = filters_.at(other);
    if (older.number == 0 || (older.state == State::held && is_up(older.lane))) return false;
    return filter.number == 0 || older.number < filter.number;
  });
}

/// One that they may have waited for has been answered, or has gone.
void UpstreamFilters::wake(const std::vector<FilterId>& ids) {
  if (numbered_) return;
  for (const FilterId id : ids) {
    const auto found = filters_.find(id);
    if (found != filters_.end() && found->second.state == State::absent) subscribe(id, found->second);
  }
}

}  // namespace famemely::gateway
