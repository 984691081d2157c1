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
  filters_.emplace(id, Filter{.filter = filter, .number = next_number(), .waiters = {}});
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

void UpstreamFilters::ask(const SubscribeCommand& command, Instant now, bool connected) {
  const auto known = by_text_.find(command.filter.text());
  const FilterId id = known == by_text_.end() ? add(command.filter) : known->second;
  Filter& filter = filters_.at(id);
  if (lingering_.erase(id)) filter.qos_needed = 0;
  if (filter.state == State::held && command.qos <= filter.qos_asked) {
    filter.qos_needed = std::max(filter.qos_needed, command.qos);
    filter.workers |= bit(command.worker);
    changed();
    actions_.events.emplace_back(
        command.worker, SubscribeAnswer{command.request, Granted{id, std::min(command.qos, filter.qos_granted)}});
    return;
  }
  filter.waiters.push_back({command.worker, command.request, command.qos});
  deadlines_.push_back({now + kAskTimeout, command.worker, command.request, id});
  need(id, command.qos, connected);
}

/// Overlapping filters are held at one quality of service, the highest that any of them needs, because the leader's
/// copy serves the holders of all. Those that are there already are raised first: the SUBACK of the new one then says
/// that they are.
void UpstreamFilters::need(FilterId id, std::uint8_t qos, bool connected) {
  Filter& filter = filters_.at(id);
  filter.qos_needed = std::max(filter.qos_needed, qos);
  std::uint8_t highest = filter.qos_needed;
  for (const FilterId other : overlapping(filter, id)) {
    highest = std::max(highest, filters_.at(other).qos_needed);
    raise(other, filter.qos_needed, connected);
  }
  if (filter.state == State::absent) {
    filter.qos_asked = std::max(filter.qos_asked, highest);
    if (!connected) return;
    filter.state = State::asked;
    changed();
    actions_.subscribe.push_back(id);
  } else {
    raise(id, highest, connected);
  }
}

void UpstreamFilters::raise(FilterId id, std::uint8_t qos, bool connected) {
  Filter& filter = filters_.at(id);
  if (qos <= filter.qos_asked) return;
  filter.qos_asked = qos;
  if (!connected) {
    filter.state = State::absent;  // asked for again on the next connection
    return;
  }
  filter.state = State::asked;
  actions_.subscribe.push_back(id);
}

void UpstreamFilters::release(const ReleaseCommand& command, bool connected) {
  const auto found = filters_.find(command.filter);
  if (found == filters_.end()) return;
  found->second.workers &= ~bit(command.worker);
  changed();
  drop_if_unheld(command.filter, connected);
}

void UpstreamFilters::drop_if_unheld(FilterId id, bool connected) {
  const Filter& filter = filters_.at(id);
  if (filter.workers != 0 || !filter.waiters.empty()) return;
  const auto held = [&](FilterId other) {
    const Filter& candidate = filters_.at(other);
    return candidate.workers != 0 || !candidate.waiters.empty();
  };
  if (filter.state != State::absent && std::ranges::any_of(overlapping(filter, id), held)) {
    // Whoever took over from a leader now could see a message twice or miss it: copies of it are on their way.
    lingering_.insert(id);
    return;
  }
  drop(id, connected);
}

void UpstreamFilters::drop(FilterId id, bool connected) {
  const auto found = filters_.find(id);
  const mqtt::TopicFilter filter = found->second.filter;
  const bool upstream = found->second.state != State::absent || found->second.granted_before;
  filters_.erase(found);
  by_text_.erase(filter.text());
  trie_.erase(filter);
  lingering_.erase(id);
  changed();
  if (upstream) {
    if (connected)
      actions_.unsubscribe.push_back(filter);
    else
      to_unsubscribe_.insert(filter.text());
  }
  // Those that stayed for this one's sake may go too.
  for (const FilterId other : std::unordered_set(lingering_))
    if (filters_.contains(other) && overlaps(filters_.at(other).filter, filter)) drop_if_unheld(other, connected);
}

std::vector<FilterId> UpstreamFilters::overlapping(const Filter& filter, FilterId id) const {
  std::vector<FilterId> found;
  if (!filter.filter.has_wildcard()) {
    trie_.match(filter.filter.text(), found);
    std::erase(found, id);
    return found;
  }
  for (const auto& [other, candidate] : filters_)
    if (other != id && overlaps(filter.filter, candidate.filter)) found.push_back(other);
  return found;
}

// --- what the broker says ---

void UpstreamFilters::on_connected(bool session_present) {
  if (!session_present) {
    to_unsubscribe_.clear();
    last_number_ = 0;
    lingering_.clear();
    changed();
    for (auto it = filters_.begin(); it != filters_.end();) {
      Filter& filter = it->second;
      if (filter.workers == 0 && filter.waiters.empty()) {
        by_text_.erase(filter.filter.text());
        trie_.erase(filter.filter);
        it = filters_.erase(it);
        continue;
      }
      filter.number = next_number();
      filter.state = State::absent;
      filter.granted_before = false;
      ++it;
    }
  }
  for (auto& [id, filter] : filters_) {
    if (filter.state != State::absent) continue;
    filter.state = State::asked;
    actions_.subscribe.push_back(id);
  }
  changed();
  for (const std::string& text : std::exchange(to_unsubscribe_, {}))
    actions_.unsubscribe.push_back(*mqtt::TopicFilter::parse(text));
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
    answer_waiters(filter, id);
    drop_if_unheld(id, true);  // who asked may have gone by now
    return;
  }
  const Error error{code == mqtt::ReasonCode::not_authorized ? ErrorCode::forbidden : ErrorCode::broker_refused,
                    fmt::format("Failed to subscribe: {}", reason.empty() ? mqtt::name_of(code) : reason)};
  refuse_waiters(filter, error);
  if (filter.granted_before) {
    filter.state = State::held;  // it asked for more than it has, and keeps what it has
    filter.qos_asked = filter.qos_granted;
    drop_if_unheld(id, true);
    return;
  }
  for (WorkerIndex worker = 0; worker < kWorkersMax; ++worker)
    if (filter.workers & bit(worker)) actions_.events.emplace_back(worker, FilterLost{id, error});
  filter.workers = 0;
  filter.state = State::absent;
  drop(id, true);
}

void UpstreamFilters::answer_waiters(Filter& filter, FilterId id) {
  for (const Waiter& waiter : filter.waiters) {
    filter.workers |= bit(waiter.worker);
    actions_.events.emplace_back(
        waiter.worker, SubscribeAnswer{waiter.request, Granted{id, std::min(waiter.qos, filter.qos_granted)}});
  }
  filter.waiters.clear();
  changed();
}

void UpstreamFilters::refuse_waiters(Filter& filter, const Error& error) {
  for (const Waiter& waiter : filter.waiters)
    actions_.events.emplace_back(waiter.worker, SubscribeAnswer{waiter.request, failure(error)});
  filter.waiters.clear();
}

void UpstreamFilters::expire(Instant now, bool connected) {
  while (!deadlines_.empty() && deadlines_.front().due <= now) {
    const Deadline deadline = deadlines_.front();
    deadlines_.pop_front();
    const auto found = filters_.find(deadline.filter);
    if (found == filters_.end()) continue;
    const auto asked_by = [&](const Waiter& waiter) {
      return waiter.worker == deadline.worker && waiter.request == deadline.request;
    };
    if (std::erase_if(found->second.waiters, asked_by) == 0) continue;
    const Error error = connected ? Error{ErrorCode::broker_timeout, "The broker did not acknowledge within 10 s"}
                                  : Error{ErrorCode::unavailable, "MQTT client is not connected"};
    actions_.events.emplace_back(deadline.worker, SubscribeAnswer{deadline.request, failure(error)});
    drop_if_unheld(deadline.filter, connected);
  }
}

Instant UpstreamFilters::next_deadline() const { return deadlines_.empty() ? kNever : deadlines_.front().due; }

// --- matching ---

const UpstreamFilters::Match& UpstreamFilters::match(std::string_view topic) {
  auto cached = cache_.find(topic);
  if (cached == cache_.end()) {
    if (cache_.size() >= kCachedTopicsMax) cache_.clear();
    cached = cache_.emplace(std::string(topic), CachedMatch{}).first;
  }
  CachedMatch& entry = cached->second;
  if (entry.generation == generation_) return entry.match;
  entry.generation = generation_;
  entry.match = {};
  found_.clear();
  trie_.match(topic, found_);
  for (const FilterId id : found_) {
    const Filter& filter = filters_.at(id);
    entry.match.workers |= filter.workers;
    if (filter.state == State::absent && !filter.granted_before) continue;  // not at the broker: it can't lead
    if (entry.match.leader == 0 || filter.number < entry.match.leader) entry.match.leader = filter.number;
  }
  entry.match.filters = std::make_shared<const std::vector<FilterId>>(found_);
  return entry.match;
}

}  // namespace famemely::gateway
