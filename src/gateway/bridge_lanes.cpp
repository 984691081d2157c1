/// The part of the bridge that has connections with the broker, one or several, and asks for filters on them.

#include <algorithm>
#include <utility>

#include "gateway/bridge.hpp"

namespace famemely::gateway {
namespace {

/// Of a SUBSCRIBE: what each filter takes beside its text, and what comes before the first (MQTT 5 section 3.8).
constexpr std::size_t kSubscribeEntryBytes = 3;
constexpr std::size_t kSubscribeHeadBytes = 16;

}  // namespace

// --- lanes ---

void Bridge::add_lane() {
  const Lane::Reconnect reconnect{options_.reconnect_min, options_.reconnect_max};
  lanes_.push_back(std::make_unique<Lane>(*this, static_cast<LaneIndex>(lanes_.size()), options_.session, reconnect));
  channels_.push_back(lanes_.back().get());
  if (first().session().connected()) lanes_.back()->session().adopt_version(first().session().version());
}

/// Lanes are opened when a filter needs them, and kept: another filter will.
void Bridge::open_wanted_lanes(Now now) {
  if (stopped_) return;
  const std::size_t wanted = filters_.lanes_wanted();
  while (lanes_.size() < wanted) add_lane();
  for (std::size_t i = 1; i < wanted; ++i) {
    if (!lanes_[i]->stopped()) continue;
    logger_.info("lane opened", {{"client_id", lanes_[i]->session().client_id()},
                                 {"why", "overlapping filters, and no subscription identifiers"}});
    lanes_[i]->open(Duration::zero(), now);
  }
}

void Bridge::stop_lane(Lane& lane, Now now) {
  if (lane.stopped()) return;
  lane.stop(now);
  lane.counts = false;
  filters_.on_disconnected(lane.index());
  fences_.on_stopped(lane.index());
}

void Bridge::on_connected(Lane& lane, const mqtt::Connected& connected, Now now) {
  lane.on_accepted(now);
  lane.counts = lane.up = true;
  lane.up_since = now.instant;
  fences_.on_connected(lane.index(), connected.session_present, now.instant);
  finish_round();
  if (lane.index() == 0) {
    const bool numbered = connected.broker.subscription_identifiers;
    filters_.set_numbered(numbered);
    fetcher_.adopt_version(connected.version);
    for (std::size_t i = 1; i < lanes_.size(); ++i) lanes_[i]->session().adopt_version(connected.version);
    for (std::size_t i = 1; numbered && i < lanes_.size(); ++i) stop_lane(*lanes_[i], now);
    status_.client_id = connected.client_id;
  }
  // With a new session it may get copies ahead of the fence of a round that others have had. A session that was resumed
  // before it joined is no other.
  lane.joins_later = lane.joins_later || !connected.session_present;
  if (!lane.joins_later) filters_.on_connected(lane.index(), true);
  join_lanes();
  update_status(now);
  logger_.info("broker connected", {{"client_id", connected.client_id},
                                    {"version", mqtt::to_string(connected.version)},
                                    {"session_present", connected.session_present}});
}

void Bridge::join_lanes() {
  if (fences_.open() && fences_.available()) return;
  for (const auto& lane : lanes_)
    if (lane->up && std::exchange(lane->joins_later, false)) filters_.on_connected(lane->index(), false);
}

void Bridge::on_connection_over(Lane& lane, const std::string& said, bool blames_us, bool retry_at_once, Now now) {
  const std::string reason = lane.with_cause(said);
  const bool was_up = std::exchange(lane.up, false);
  filters_.on_disconnected(lane.index());
  fences_.on_disconnected(lane.index(), blames_us, now.instant);
  // Those that are asked for are asked for again on the next connection.
  for (const Lane::Request& request : std::exchange(lane.requests, {}))
    if (const auto* unsubscribe = std::get_if<UpstreamFilters::Unsubscribe>(&request))
      filters_.on_unsubscribe_lost(lane.index(), unsubscribe->filter);
  if (lane.index() == 0)
    for (const Unwritten& unwritten : std::exchange(unwritten_, {}))
      answer(unwritten.asker, Error{ErrorCode::unavailable, std::string(kNotConnected)});
  const Duration delay = lane.on_over(retry_at_once, random_, now);
  if (lane.stopped()) return update_status(now);
  lane.counts = true;
  if (!reason.empty()) status_.last_error = reason;
  ++status_.reconnect_attempts;
  update_status(now);
  logger_.warn(was_up ? "broker disconnected" : "broker connection failed",
               {{"reason", reason},
                {"attempts", status_.reconnect_attempts},
                {"retry_in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(delay).count()}});
}

void Bridge::note_short_life(Lane& lane, const mqtt::Disconnected& gone, Now now) {
  const bool short_life = lane.up && !gone.code && !gone.by_caller && now.instant < lane.up_since + kShortLife;
  if (!short_life) {
    lane.short_lives = 0;
  } else if (++lane.short_lives == kShortLivesTold) {
    logger_.error("connections to the broker end soon",
                  {{"client_id", lane.session().client_id()},
                   {"times", lane.short_lives},
                   {"hint", "another program may connect with this MQTT_CLIENT_ID, or may not be let do what we ask"}});
  }
}

bool Bridge::all_lanes_are_up() const {
  return lanes_.front()->session().connected() && std::ranges::all_of(lanes_, [](const auto& lane) {
           return lane->stopped() || !lane->counts || lane->session().connected();
         });
}

void Bridge::update_status(Now now) {
  const bool was_connected = std::exchange(status_.is_connected, all_lanes_are_up());
  if (status_.is_connected && was_connected) return;
  if (status_.is_connected)
    status_ =
        LinkStatus{.is_connected = true, .client_id = status_.client_id, .connected_at = now.wall, .last_error = {}};
  else
    status_.connected_at.reset();
  tell_status();
}

// --- subscriptions ---

void Bridge::send_upstream(Now now) {
  for (const auto& action : std::exchange(filters_.actions().upstream, {}))
    std::visit([&](const auto& request) { lanes_[request.lane]->requests.emplace_back(request); }, action);
  for (const auto& lane : lanes_) {
    if (!lane->requests.empty()) send_requests(*lane, now);
  }
}

/// With subscription identifiers one filter a packet, without them as many as the broker takes. The order counts: a
/// filter may be given up and asked for again in one turn.
void Bridge::send_requests(Lane& lane, Now now) {
  const mqtt::BrokerCapabilities& broker = lane.session().broker();
  const std::size_t batch = broker.subscription_identifiers ? 1 : std::max<std::size_t>(options_.subscribe_batch, 1);
  std::vector<FilterId> ids;
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (!ids.empty()) send_subscribe(lane, ids, now);
    ids.clear();
    bytes = 0;
  };
  while (!lane.requests.empty() && lane.requests_in_flight < kRequestsInFlightMax && !lane.asks_suspect) {
    const Lane::Request request = std::move(lane.requests.front());
    lane.requests.pop_front();
    if (const auto* unsubscribe = std::get_if<UpstreamFilters::Unsubscribe>(&request)) {
      flush();
      send_unsubscribe(lane, unsubscribe->filter, now);
      continue;
    }
    const FilterId id = std::get<UpstreamFilters::Subscribe>(request).id;
    if (!filters_.contains(id)) continue;
    if (filters_.is_suspect(id)) {
      flush();
      if (lane.requests_in_flight > 0) {
        lane.requests.push_front(request);
        break;
      }
      lane.asks_suspect = true;
      send_subscribe(lane, {id}, now);
      break;
    }
    const std::size_t more = filters_.filter(id).text().size() + kSubscribeEntryBytes;
    if (bytes + more + kSubscribeHeadBytes > broker.maximum_packet_size) flush();
    ids.push_back(id);
    bytes += more;
    if (ids.size() == batch) flush();
  }
  flush();
}

void Bridge::send_subscribe(Lane& lane, const std::vector<FilterId>& ids, Now now) {
  const mqtt::Session& session = lane.session();
  mqtt::SubscribeCommand command{.token = ++last_token_, .entries = {}};
  for (const FilterId id : ids) {
    const std::uint8_t qos = std::min(filters_.qos_to_ask(id), session.broker().maximum_qos);
    mqtt::SubscribeEntry entry{.filter = filters_.filter(id), .qos = qos};
    if (session.version() == mqtt::ProtocolVersion::v5) {  // 3.1.1 has no such options
      entry.retain_as_published = true;
      entry.retain_handling = mqtt::RetainHandling::do_not_send;
    }
    command.entries.push_back(std::move(entry));
  }
  if (session.broker().subscription_identifiers) command.subscription_identifier = filters_.number(ids.front());
  if (const auto accepted = lane.session().subscribe(command, now.instant, lane.effects()); !accepted) {
    // Without a connection they are asked for on the next one.
    if (!session.connected()) return;
    if (ids.size() == 1)
      return filters_.on_subscribed(ids.front(), mqtt::ReasonCode::unspecified_error, accepted.error().text());
    // One of them is perhaps what this broker does not have, and no reason to refuse the others.
    for (const FilterId id : ids) send_subscribe(lane, {id}, now);
    return;
  }
  ++lane.requests_in_flight;
  subscribes_.emplace(command.token, ids);
}

void Bridge::send_unsubscribe(Lane& lane, const mqtt::TopicFilter& filter, Now now) {
  const mqtt::Token token = ++last_token_;
  if (!lane.session().unsubscribe({.token = token, .filters = {filter}}, now.instant, lane.effects()))
    return filters_.on_unsubscribe_lost(lane.index(), filter);
  ++lane.requests_in_flight;
  unsubscribes_.emplace(token, filter);
  unmatched_is_odd_from_ = std::max(unmatched_is_odd_from_, now.instant + kUnsubscribeGrace);
}

void Bridge::on_subscribe_completed(Lane& lane, const mqtt::SubscribeCompleted& completed, Now now) {
  if (fence_subscribes_.erase(completed.token) != 0) {
    if (completed.lost) return fences_.on_subscribe_lost(lane.index());
    return fences_.on_subscribed(lane.index(), !mqtt::is_failure(completed.codes.front()), now.instant);
  }
  const auto found = subscribes_.find(completed.token);
  if (found == subscribes_.end()) return;
  if (lane.requests_in_flight > 0) --lane.requests_in_flight;
  lane.asks_suspect = false;
  const std::vector<FilterId> ids = std::move(found->second);
  subscribes_.erase(found);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (completed.lost || i >= completed.codes.size()) {
      filters_.on_answer_lost(ids[i], completed.blames_us);
      continue;
    }
    if (mqtt::is_failure(completed.codes[i]) && filters_.contains(ids[i]))
      logger_.warn("subscription refused",
                   {{"topic", filters_.filter(ids[i]).text()}, {"code", mqtt::name_of(completed.codes[i])}});
    filters_.on_subscribed(ids[i], completed.codes[i], completed.reason_string);
  }
  // Before the next message: the workers must know of a new member by then.
  queue_filter_events(now);
}

void Bridge::on_unsubscribe_completed(Lane& lane, const mqtt::UnsubscribeCompleted& completed) {
  const auto found = unsubscribes_.find(completed.token);
  if (found == unsubscribes_.end()) return;
  if (lane.requests_in_flight > 0) --lane.requests_in_flight;
  if (completed.lost)
    filters_.on_unsubscribe_lost(lane.index(), found->second);
  else
    filters_.on_unsubscribed(lane.index(), found->second);
  unsubscribes_.erase(found);
}

}  // namespace famemely::gateway
