#include "gateway/upstream_filters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/mqtt/packet.hpp"
#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {
namespace {

/// Topics whose match is remembered at most; beyond it all are forgotten.
constexpr std::size_t kCachedTopicsMax = 65'536;

WorkerSet bit(WorkerIndex worker) { return WorkerSet{1} << worker; }

}  // namespace

// --- asking and releasing ---

std::optional<FilterId> UpstreamFilters::add(const mqtt::TopicFilter& filter) {
  const FilterId id = last_id_ + 1;
  const std::optional<LaneIndex> lane = free_lane(filter, id, Ghosts::avoid);
  if (!lane) return std::nullopt;
  last_id_ = id;
  lanes_wanted_ = std::max<LaneIndex>(lanes_wanted_, *lane + 1);
  filters_.emplace(id, Filter{.filter = filter, .lane = *lane, .waiters = {}, .last_grants = {}});
  by_text_.emplace(filter.text(), id);
  trie_.insert(filter, id);
  to_unsubscribe_.erase({*lane, filter.text()});
  changed();
  return id;
}

std::uint32_t UpstreamFilters::next_number() {
  // Numbers are not used again within a session, but after 268 million of them.
  last_number_ = last_number_ == mqtt::kSubscriptionIdentifierMax ? 1 : last_number_ + 1;
  return last_number_;
}

Granted UpstreamFilters::grant(FilterId id, Filter& filter, WorkerIndex worker, std::uint8_t qos) {
  filter.workers |= bit(worker);
  changed();
  if (worker == kLink) return {id, std::min(qos, filter.qos_granted), 0, last_message_};
  if (filter.last_grants.size() <= worker) filter.last_grants.resize(worker + std::size_t{1});
  filter.last_grants[worker] = ++last_grant_;
  return {id, std::min(qos, filter.qos_granted), last_grant_, last_message_};
}

std::optional<FilterId> UpstreamFilters::find(const std::string& text) const {
  const auto found = by_text_.find(text);
  return found == by_text_.end() ? std::nullopt : std::optional(found->second);
}

Granted UpstreamFilters::hold(FilterId id, WorkerIndex worker, std::uint8_t qos) {
  return grant(id, filters_.at(id), worker, qos);
}

void UpstreamFilters::ask(const SubscribeCommand& command, Instant deadline) {
  const auto known = by_text_.find(command.filter.text());
  const std::optional<FilterId> place = known == by_text_.end() ? add(command.filter) : known->second;
  if (!place) return wait_for_lane(command, deadline);
  const FilterId id = *place;
  Filter& filter = filters_.at(id);
  if (to_give_up_.erase(id)) filter.qos_needed = 0;
  if (filter.in_round && !fence_seen_) {  // not too late to keep it
    filter.in_round = false;
    filter.qos_needed = 0;
    std::erase(round_, id);
  }
  if (filter.state == State::held && !filter.in_round && command.qos <= filter.qos_asked) {
    filter.qos_needed = std::max(filter.qos_needed, command.qos);
    actions_.events.emplace_back(command.worker,
                                 SubscribeAnswer{command.request, grant(id, filter, command.worker, command.qos)});
    return;
  }
  filter.waiters.push_back({command.worker, command.request, command.qos});
  if (deadline != kNever) deadlines_.emplace(deadline, Deadline{command.worker, command.request, id});
  if (!filter.in_round) need(id, command.qos);  // else end_round asks for it, under a new number
}

/// Overlapping filters are held at one quality of service, the highest that any of them needs: the leader's copy serves
/// the holders of all, and all copies come in one stream. Those that are there already are raised first: the SUBACK of
/// the new one then says that they are.
void UpstreamFilters::need(FilterId id, std::uint8_t qos) {
  Filter& filter = filters_.at(id);
  filter.qos_needed = std::max(filter.qos_needed, qos);
  std::uint8_t highest = std::max(filter.qos_needed, filter.qos_asked);
  std::vector<FilterId> others = overlapping(id);
  for (const FilterId other : others) highest = std::max(highest, filters_.at(other).qos_asked);
  const auto is_lower = [&](FilterId each) {
    return filters_.at(each).can_lead() && filters_.at(each).qos_asked < highest;
  };
  if (!round_.empty() && (is_lower(id) || std::ranges::any_of(others, is_lower))) {
    // Copies of one message in two streams would not meet the fence at one place.
    needs_after_round_.insert(id);
    return;
  }
  raise(others, highest);
  if (filter.state == State::absent) {
    filter.qos_asked = std::max(filter.qos_asked, highest);
    subscribe(id, filter);
  } else {
    raise({id}, highest);
  }
}

void UpstreamFilters::raise(std::vector<FilterId> ids, std::uint8_t qos) {
  while (!ids.empty()) {
    const FilterId id = ids.back();
    ids.pop_back();
    Filter& filter = filters_.at(id);
    // One that is asked for at this level or above has had its neighbours raised by then.
    if (filter.qos_asked >= qos) continue;
    filter.qos_asked = qos;
    if (filter.can_lead()) {
      filter.raised = true;
      subscribe(id, filter);
    }
    for (const FilterId other : overlapping(id)) ids.push_back(other);
  }
}

void UpstreamFilters::subscribe(FilterId id, Filter& filter) {
  const bool waits_for_round = !filter.granted_before && needs_after_round_.contains(id);
  if (!is_up(filter.lane) || waits_for_round || waits_for_older(id, filter)) {
    filter.state = State::absent;  // asked for when the lane is up, the round over, and they are held
    return;
  }
  if (!filter.sent && !filter.granted_before) filter.number = next_number();
  filter.state = State::asked;
  filter.sent = true;
  ++filter.asks;
  changed();
  actions_.upstream.emplace_back(Subscribe{filter.lane, id});
}

void UpstreamFilters::unsubscribe(LaneIndex lane, const mqtt::TopicFilter& filter) {
  if (is_up(lane))
    actions_.upstream.emplace_back(Unsubscribe{lane, filter});
  else
    to_unsubscribe_.emplace(lane, filter.text());
}

void UpstreamFilters::release(const ReleaseCommand& command) {
  const auto found = filters_.find(command.filter);
  if (found == filters_.end()) return;
  Filter& filter = found->second;
  const std::vector<GrantNumber>& grants = filter.last_grants;
  if (command.worker < grants.size() && grants[command.worker] > command.seen) return;
  filter.workers &= ~bit(command.worker);
  changed();
  drop_if_unwanted(command.filter);
}

void UpstreamFilters::drop_if_unwanted(FilterId id) {
  const Filter& filter = filters_.at(id);
  if (filter.wanted() || filter.in_round) return;
  if (filter.can_lead() && others_need_its_lead(id))
    to_give_up_.insert(id);
  else
    drop(id);
}

/// Whoever took over from a leader now could see a message twice or miss it: copies of it are on their way. Also those
/// count that nobody wants at the moment, because somebody may join them again.
bool UpstreamFilters::others_need_its_lead(FilterId id) const {
  const std::uint32_t number = filters_.at(id).number;
  return std::ranges::any_of(overlapping(id), [&](FilterId other) { return filters_.at(other).number > number; });
}

void UpstreamFilters::drop(FilterId id) {
  const auto found = filters_.find(id);
  const mqtt::TopicFilter filter = found->second.filter;
  const LaneIndex lane = found->second.lane;
  const bool at_broker = found->second.sent;
  std::vector<FilterId> others;
  if (!to_give_up_.empty() || !numbered_) others = overlapping(id);
  filters_.erase(found);
  actions_.gone.push_back(id);
  by_text_.erase(filter.text());
  trie_.erase(filter);
  to_give_up_.erase(id);
  std::erase(round_, id);
  changed();
  if (at_broker) {
    unsubscribe(lane, filter);
    if (!numbered_ && !others.empty()) leave_ghost(lane, filter);
  }
  wake(others);
  // Those that stayed for this one's sake may go too.
  for (const FilterId other : others)
    if (to_give_up_.contains(other) && !others_need_its_lead(other)) drop(other);
}

std::vector<FilterId> UpstreamFilters::overlapping(FilterId id) const {
  std::vector<FilterId> found;
  trie_.overlapping(filters_.at(id).filter, found);
  std::erase(found, id);
  return found;
}

// --- rounds ---

bool UpstreamFilters::begin_round() {
  fence_seen_ = false;
  for (const FilterId id : std::set(to_give_up_)) {
    if (!to_give_up_.contains(id)) continue;  // went with another
    if (!others_need_its_lead(id)) {
      drop(id);
      continue;
    }
    // Filters that overlap each other are given up in different rounds, and not while one's quality changes.
    const auto waits = [&](FilterId each) { return filters_.at(each).in_round || filters_.at(each).is_changing(); };
    if (waits(id) || std::ranges::any_of(overlapping(id), waits)) continue;
    to_give_up_.erase(id);
    filters_.at(id).in_round = true;
    round_.push_back(id);
  }
  if (!round_.empty()) changed();
  bool ghosts = false;
  for (auto& [id, ghost] : ghosts_) ghosts |= ghost.in_round = ghost.unsubscribed;
  ghosts_may_go_ = false;
  return !round_.empty() || ghosts;
}

void UpstreamFilters::end_round() {
  erase_ghosts([](const Ghost& ghost) { return ghost.in_round; });
  for (const FilterId id : std::exchange(round_, {})) {
    Filter& filter = filters_.at(id);
    const std::vector<Waiter> waiters = std::exchange(filter.waiters, {});
    const mqtt::TopicFilter text = filter.filter;
    filter.in_round = false;
    drop(id);
    for (const Waiter& waiter : waiters) {
      lane_waiters_.push_back({waiter.worker, waiter.request, text, waiter.qos});
      retarget(waiter.worker, waiter.request, kNoFilter);
    }
  }
  admit_lane_waiters();
  meet_postponed_needs();
}

void UpstreamFilters::cancel_round() {
  if (fence_seen_ || round_.empty()) return;
  for (const FilterId id : std::exchange(round_, {})) {
    filters_.at(id).in_round = false;
    to_give_up_.insert(id);
  }
  meet_postponed_needs();
}

void UpstreamFilters::meet_postponed_needs() {
  for (const FilterId id : std::exchange(needs_after_round_, {}))
    if (const auto found = filters_.find(id); found != filters_.end() && !found->second.in_round)
      need(id, found->second.qos_needed);
}

// --- what the broker says ---

void UpstreamFilters::on_connected(LaneIndex lane, bool session_present) {
  if (lanes_up_.size() <= lane) lanes_up_.resize(lane + std::size_t{1});
  lanes_up_[lane] = true;
  if (!session_present) {
    forget_unwanted(lane);
    if (numbered_) last_number_ = 0;
    std::erase_if(to_unsubscribe_, [&](const auto& each) { return each.first == lane; });
    erase_ghosts([&](const Ghost& ghost) { return ghost.lane == lane; });
    for (auto& [id, filter] : filters_) {
      if (filter.lane != lane) continue;
      filter.state = State::absent;
      filter.sent = filter.raised = false;
      // Without numbers, other lanes may have copies on their way that this filter leads.
      if (numbered_) filter.granted_before = false;
    }
  }
  // First, so that no filter of this lane overlaps one that is to go.
  for (auto at = to_unsubscribe_.begin(); at != to_unsubscribe_.end();) {
    if (at->first == lane) actions_.upstream.emplace_back(Unsubscribe{lane, *mqtt::TopicFilter::parse(at->second)});
    at = at->first == lane ? to_unsubscribe_.erase(at) : std::next(at);
  }
  // Those of other lanes may have waited for this one.
  for (auto& [id, filter] : filters_)
    if (filter.state == State::absent) subscribe(id, filter);
  changed();
}

/// What nobody wants any more has gone with the session.
void UpstreamFilters::forget_unwanted(LaneIndex lane) {
  for (auto it = filters_.begin(); it != filters_.end();) {
    Filter& filter = it->second;
    const bool leads_on = !numbered_ && to_give_up_.contains(it->first);  // copies may be on their way on other lanes
    if (filter.lane != lane || filter.wanted() || filter.in_round || leads_on) {
      ++it;
      continue;
    }
    by_text_.erase(filter.filter.text());
    trie_.erase(filter.filter);
    to_give_up_.erase(it->first);
    actions_.gone.push_back(it->first);
    it = filters_.erase(it);
  }
}

void UpstreamFilters::on_disconnected(LaneIndex lane) {
  if (lane < lanes_up_.size()) lanes_up_[lane] = false;
  for (auto& [id, filter] : filters_)
    if (filter.lane == lane) {
      filter.asks = 0;
      if (filter.state == State::asked) filter.state = State::absent;
    }
}

void UpstreamFilters::on_answer_lost(FilterId id, bool blamed) {
  const auto found = filters_.find(id);
  if (found == filters_.end()) return;
  Filter& filter = found->second;
  if (filter.state == State::asked) filter.state = State::absent;
  if (!blamed || ++filter.drops <= kDropsOfSuspect || filter.in_round) return;
  filter.drops = 0;
  const Error error{ErrorCode::broker_refused,
                    "Failed to subscribe: the connection to the broker dropped with it three times"};
  if (filter.granted_before) {  // it asked for more than it has
    filter.qos_asked = filter.qos_granted;
    return refuse_waiters(filter, error);
  }
  take_away(filter, id, error);
  drop(id);
}

void UpstreamFilters::on_unsubscribe_lost(LaneIndex lane, const mqtt::TopicFilter& filter) {
  const auto known = by_text_.find(filter.text());
  if (known == by_text_.end() || filters_.at(known->second).lane != lane) to_unsubscribe_.emplace(lane, filter.text());
}

void UpstreamFilters::on_subscribed(FilterId id, mqtt::ReasonCode code, std::string_view reason) {
  const auto found = filters_.find(id);
  if (found == filters_.end()) return;
  Filter& filter = found->second;
  if (filter.asks > 0) --filter.asks;
  if (filter.asks > 0 || filter.state != State::asked) {  // another answer follows
    filter.granted_before = filter.granted_before || !mqtt::is_failure(code);
    return;
  }
  filter.raised = false;
  filter.drops = 0;
  std::vector<FilterId> others;
  if (!numbered_) others = overlapping(id);
  if (!mqtt::is_failure(code)) {
    filter.state = State::held;
    filter.granted_before = true;
    filter.qos_granted = static_cast<std::uint8_t>(code);
    if (!filter.in_round) answer_waiters(filter, id);
    drop_if_unwanted(id);  // who asked may have gone by now
    return wake(others);
  }
  const Error error{code == mqtt::ReasonCode::not_authorized ? ErrorCode::forbidden : ErrorCode::broker_refused,
                    fmt::format("Failed to subscribe: {}", reason.empty() ? mqtt::name_of(code) : reason)};
  if (filter.granted_before) {
    filter.state = State::held;  // it asked for more than it has, and keeps what it has
    filter.qos_asked = filter.qos_granted;
    if (!filter.in_round) refuse_waiters(filter, error);
    drop_if_unwanted(id);
    return wake(others);
  }
  take_away(filter, id, error);
  filter.sent = false;
  drop(id);
}

void UpstreamFilters::take_away(Filter& filter, FilterId id, const Error& error) {
  refuse_waiters(filter, error);
  for (WorkerIndex worker = 0; worker < kWorkersMax; ++worker)
    if (filter.workers & bit(worker)) actions_.events.emplace_back(worker, FilterLost{id, error});
  filter.workers = 0;
}

void UpstreamFilters::answer_waiters(Filter& filter, FilterId id) {
  for (const Waiter& waiter : filter.waiters)
    actions_.events.emplace_back(waiter.worker,
                                 SubscribeAnswer{waiter.request, grant(id, filter, waiter.worker, waiter.qos)});
  filter.waiters.clear();
  changed();
}

void UpstreamFilters::refuse_waiters(Filter& filter, const Error& error) {
  for (const Waiter& waiter : filter.waiters)
    actions_.events.emplace_back(waiter.worker, SubscribeAnswer{waiter.request, failure(error)});
  filter.waiters.clear();
}

void UpstreamFilters::expire(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const Deadline deadline = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    const auto asked_by = [&](const auto& waiter) {
      return waiter.worker == deadline.worker && waiter.request == deadline.request;
    };
    const auto refuse = [&](Error error) {
      actions_.events.emplace_back(deadline.worker, SubscribeAnswer{deadline.request, failure(std::move(error))});
    };
    const auto found = filters_.find(deadline.filter);
    if (found == filters_.end()) {
      if (std::erase_if(lane_waiters_, asked_by) != 0) refuse(no_lane_is_free());
      continue;
    }
    if (std::erase_if(found->second.waiters, asked_by) == 0) continue;
    refuse(is_up(found->second.lane) ? Error{ErrorCode::broker_timeout, "The broker did not acknowledge within 10 s"}
                                     : Error{ErrorCode::unavailable, "MQTT client is not connected"});
    drop_if_unwanted(deadline.filter);
  }
}

Instant UpstreamFilters::next_deadline() const { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }

// --- matching ---

UpstreamFilters::Match& UpstreamFilters::match(std::string_view topic) {
  auto cached = cache_.find(topic);
  if (cached == cache_.end()) {
    if (cache_.size() >= kCachedTopicsMax && !keep_cache_) cache_.clear();
    cached = cache_.emplace(std::string(topic), CachedMatch{}).first;
  }
  CachedMatch& entry = cached->second;
  if (entry.generation == generation_) return entry.match;
  entry.generation = generation_;
  Match& match = entry.match;
  match.workers = 0;
  match.leader_before = match.leader_after = {};
  std::vector<FilterId> found;
  trie_.match(topic, found);
  for (const FilterId id : found) {
    const Filter& filter = filters_.at(id);
    match.workers |= filter.workers;
    if (!filter.can_lead()) continue;
    const auto offer = [&](Leader& leader) {
      if (leader.number == 0 || filter.number < leader.number) leader = {filter.number, filter.lane};
    };
    offer(match.leader_before);
    if (!filter.in_round) offer(match.leader_after);
  }
  match.workers &= ~bit(kLink);
  match.matched = std::make_shared<const MatchedTopic>(std::string(topic), std::move(found));
  return match;
}

const UpstreamFilters::Match* UpstreamFilters::cached_match(std::string_view topic) const {
  const auto cached = cache_.find(topic);
  return cached == cache_.end() ? nullptr : &cached->second.match;
}

}  // namespace famemely::gateway
