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

FilterId UpstreamFilters::add(const mqtt::TopicFilter& filter) {
  const FilterId id = ++last_id_;
  filters_.emplace(id, Filter{.filter = filter, .number = next_number(), .waiters = {}, .last_grants = {}});
  by_text_.emplace(filter.text(), id);
  trie_.insert(filter, id);
  to_unsubscribe_.erase(filter.text());
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

void UpstreamFilters::ask(const SubscribeCommand& command, Instant deadline, bool connected) {
  const auto known = by_text_.find(command.filter.text());
  const FilterId id = known == by_text_.end() ? add(command.filter) : known->second;
  Filter& filter = filters_.at(id);
  if (to_give_up_.erase(id)) filter.qos_needed = 0;
  if (filter.in_round && filter.leads[0] && filter.leads[1]) {  // not too late to keep it
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
  if (!filter.in_round) need(id, command.qos, connected);  // else end_round asks for it, under a new number
}

/// Overlapping filters are held at one quality of service, the highest that any of them needs: the leader's copy serves
/// the holders of all, and all copies come in one stream. Those that are there already are raised first: the SUBACK of
/// the new one then says that they are.
void UpstreamFilters::need(FilterId id, std::uint8_t qos, bool connected) {
  Filter& filter = filters_.at(id);
  filter.qos_needed = std::max(filter.qos_needed, qos);
  std::uint8_t highest = std::max(filter.qos_needed, filter.qos_asked);
  const std::vector<FilterId> others = overlapping(id);
  for (const FilterId other : others) highest = std::max(highest, filters_.at(other).qos_asked);
  raise(others, highest, connected);
  if (filter.state == State::absent) {
    filter.qos_asked = std::max(filter.qos_asked, highest);
    if (connected) subscribe(id, filter, connected);
  } else {
    raise({id}, highest, connected);
  }
}

void UpstreamFilters::raise(std::vector<FilterId> ids, std::uint8_t qos, bool connected) {
  while (!ids.empty()) {
    const FilterId id = ids.back();
    ids.pop_back();
    Filter& filter = filters_.at(id);
    // One that is asked for at this level or above has had its neighbours raised by then.
    if (filter.qos_asked >= qos) continue;
    filter.qos_asked = qos;
    if (filter.can_lead()) subscribe(id, filter, connected);
    for (const FilterId other : overlapping(id)) ids.push_back(other);
  }
}

void UpstreamFilters::subscribe(FilterId id, Filter& filter, bool connected) {
  if (!connected) {
    filter.state = State::absent;  // asked for on the next connection
    return;
  }
  filter.state = State::asked;
  filter.sent = true;
  changed();
  actions_.upstream.emplace_back(Subscribe{id});
}

void UpstreamFilters::release(const ReleaseCommand& command, bool connected) {
  const auto found = filters_.find(command.filter);
  if (found == filters_.end()) return;
  Filter& filter = found->second;
  const std::vector<GrantNumber>& grants = filter.last_grants;
  if (command.worker < grants.size() && grants[command.worker] > command.seen) return;
  filter.workers &= ~bit(command.worker);
  changed();
  drop_if_unwanted(command.filter, connected);
}

void UpstreamFilters::drop_if_unwanted(FilterId id, bool connected) {
  const Filter& filter = filters_.at(id);
  if (filter.wanted() || filter.in_round) return;
  if (filter.can_lead() && others_need_its_lead(id))
    to_give_up_.insert(id);
  else
    drop(id, connected);
}

/// Whoever took over from a leader now could see a message twice or miss it: copies of it are on their way.
bool UpstreamFilters::others_need_its_lead(FilterId id) const {
  if (!numbered_) return false;
  const std::uint32_t number = filters_.at(id).number;
  return std::ranges::any_of(overlapping(id), [&](FilterId other) {
    const Filter& candidate = filters_.at(other);
    return candidate.number > number && candidate.wanted();
  });
}

void UpstreamFilters::drop(FilterId id, bool connected) {
  const auto found = filters_.find(id);
  const mqtt::TopicFilter filter = found->second.filter;
  const bool at_broker = found->second.sent;
  std::vector<FilterId> others;
  if (!to_give_up_.empty()) others = overlapping(id);
  filters_.erase(found);
  actions_.gone.push_back(id);
  by_text_.erase(filter.text());
  trie_.erase(filter);
  to_give_up_.erase(id);
  std::erase(round_, id);
  changed();
  if (at_broker) {
    if (connected)
      actions_.upstream.emplace_back(Unsubscribe{filter});
    else
      to_unsubscribe_.insert(filter.text());
  }
  // Those that stayed for this one's sake may go too.
  for (const FilterId other : others)
    if (to_give_up_.contains(other) && !others_need_its_lead(other)) drop(other, connected);
}

std::vector<FilterId> UpstreamFilters::overlapping(FilterId id) const {
  std::vector<FilterId> found;
  trie_.overlapping(filters_.at(id).filter, found);
  std::erase(found, id);
  return found;
}

// --- rounds ---

bool UpstreamFilters::begin_round() {
  for (const FilterId id : std::set(to_give_up_)) {
    if (!to_give_up_.contains(id)) continue;  // went with another
    if (!others_need_its_lead(id)) {
      drop(id, true);
      continue;
    }
    // Filters that overlap each other are given up in different rounds.
    const bool apart = std::ranges::none_of(
        round_, [&](FilterId other) { return overlaps(filters_.at(other).filter, filters_.at(id).filter); });
    if (!apart) continue;
    to_give_up_.erase(id);
    filters_.at(id).in_round = true;
    round_.push_back(id);
  }
  return !round_.empty();
}

void UpstreamFilters::on_fence(Stream stream) {
  for (const FilterId id : round_) filters_.at(id).leads[static_cast<std::size_t>(stream)] = false;
  if (!round_.empty()) changed();
}

void UpstreamFilters::end_round() {
  for (const FilterId id : std::exchange(round_, {})) {
    Filter& filter = filters_.at(id);
    std::vector<Waiter> waiters = std::exchange(filter.waiters, {});
    const mqtt::TopicFilter text = filter.filter;
    filter.in_round = false;
    drop(id, true);
    if (waiters.empty()) continue;
    const FilterId again = add(text);
    std::uint8_t qos = 0;
    for (const Waiter& waiter : waiters) qos = std::max(qos, waiter.qos);
    for (auto& [due, deadline] : deadlines_)
      if (deadline.filter == id) deadline.filter = again;
    filters_.at(again).waiters = std::move(waiters);
    need(again, qos, true);
  }
}

void UpstreamFilters::abandon_round() {
  for (const FilterId id : std::exchange(round_, {})) {
    Filter& filter = filters_.at(id);
    filter.in_round = false;
    filter.leads = {true, true};
    if (!filter.wanted()) to_give_up_.insert(id);
  }
  changed();
}

// --- what the broker says ---

void UpstreamFilters::on_connected(bool session_present, bool numbered) {
  numbered_ = numbered;
  if (!session_present) {
    abandon_round();
    to_give_up_.clear();
    to_unsubscribe_.clear();
    last_number_ = 0;
    for (auto it = filters_.begin(); it != filters_.end();) {
      Filter& filter = it->second;
      if (!filter.wanted()) {
        by_text_.erase(filter.filter.text());
        trie_.erase(filter.filter);
        actions_.gone.push_back(it->first);
        it = filters_.erase(it);
        continue;
      }
      filter.number = next_number();
      filter.state = State::absent;
      filter.sent = filter.granted_before = false;
      ++it;
    }
  }
  for (auto& [id, filter] : filters_)
    if (filter.state == State::absent) subscribe(id, filter, true);
  changed();
  for (const std::string& text : std::exchange(to_unsubscribe_, {}))
    actions_.upstream.emplace_back(Unsubscribe{*mqtt::TopicFilter::parse(text)});
}

void UpstreamFilters::on_disconnected() {
  for (auto& [id, filter] : filters_)
    if (filter.state == State::asked) filter.state = State::absent;
}

void UpstreamFilters::on_answer_lost(FilterId id) {
  const auto found = filters_.find(id);
  if (found != filters_.end() && found->second.state == State::asked) found->second.state = State::absent;
}

void UpstreamFilters::on_unsubscribe_lost(const mqtt::TopicFilter& filter) {
  if (!by_text_.contains(filter.text())) to_unsubscribe_.insert(filter.text());
}

void UpstreamFilters::on_subscribed(FilterId id, mqtt::ReasonCode code, std::string_view reason) {
  const auto found = filters_.find(id);
  if (found == filters_.end()) return;
  Filter& filter = found->second;
  if (!mqtt::is_failure(code)) {
    filter.state = State::held;
    filter.granted_before = true;
    filter.qos_granted = static_cast<std::uint8_t>(code);
    if (!filter.in_round) answer_waiters(filter, id);
    drop_if_unwanted(id, true);  // who asked may have gone by now
    return;
  }
  const Error error{code == mqtt::ReasonCode::not_authorized ? ErrorCode::forbidden : ErrorCode::broker_refused,
                    fmt::format("Failed to subscribe: {}", reason.empty() ? mqtt::name_of(code) : reason)};
  if (filter.granted_before) {
    filter.state = State::held;  // it asked for more than it has, and keeps what it has
    filter.qos_asked = filter.qos_granted;
    if (!filter.in_round) refuse_waiters(filter, error);
    drop_if_unwanted(id, true);
    return;
  }
  refuse_waiters(filter, error);
  for (WorkerIndex worker = 0; worker < kWorkersMax; ++worker)
    if (filter.workers & bit(worker)) actions_.events.emplace_back(worker, FilterLost{id, error});
  filter.workers = 0;
  filter.sent = false;
  drop(id, true);
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

void UpstreamFilters::expire(Instant now, bool connected) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const Deadline deadline = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    const auto found = filters_.find(deadline.filter);
    if (found == filters_.end()) continue;
    const auto asked_by = [&](const Waiter& waiter) {
      return waiter.worker == deadline.worker && waiter.request == deadline.request;
    };
    if (std::erase_if(found->second.waiters, asked_by) == 0) continue;
    const Error error = connected ? Error{ErrorCode::broker_timeout, "The broker did not acknowledge within 10 s"}
                                  : Error{ErrorCode::unavailable, "MQTT client is not connected"};
    actions_.events.emplace_back(deadline.worker, SubscribeAnswer{deadline.request, failure(error)});
    drop_if_unwanted(deadline.filter, connected);
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
  match.leaders = {};
  std::vector<FilterId> found;
  trie_.match(topic, found);
  for (const FilterId id : found) {
    const Filter& filter = filters_.at(id);
    match.workers |= filter.workers;
    if (!filter.can_lead()) continue;
    for (std::size_t stream = 0; stream < 2; ++stream)
      if (filter.leads[stream] && (match.leaders[stream] == 0 || filter.number < match.leaders[stream]))
        match.leaders[stream] = filter.number;
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
