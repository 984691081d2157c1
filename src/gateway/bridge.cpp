#include "gateway/bridge.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace famemely::gateway {
namespace {

/// The fetching session: it ends with its connection, and has no will.
mqtt::SessionOptions fetching_session(mqtt::SessionOptions options) {
  options.client_id += "-r";
  options.session_expiry_s = 0;
  options.will.reset();
  return options;
}

FenceTopics fence_topics(const BridgeOptions& options) {
  FenceTopics topics = FenceTopics::of(options.session.client_id);
  if (!options.fence_topic.empty()) topics.own = options.fence_topic;
  return topics;
}

}  // namespace

Bridge::Bridge(const BridgeOptions& options, RandomSource& random, Logger& logger)
    : options_(options),
      random_(random),
      logger_(logger),
      users_(filters_, random, options.accounts, options.limit_counters),
      fences_(fence_topics(options), logger),
      fetcher_(fetching_session(options.session), options.subscribe_batch, options.payload_bytes_max,
               options.recovery_window > Duration::zero(), options.encode_message, random, logger),
      recent_({options.recovery_window, options.recovery_bytes_total}),
      workers_(options.workers) {
  add_lane();
  channels_.push_back(&fetcher_);
  status_.client_id = options.session.client_id;
}

void Bridge::start(Now now) {
  tell_status();
  first().open(Duration::zero(), now);
}

void Bridge::disconnect(Now now) {
  stopped_ = true;
  for (const auto& lane : lanes_) lane->stop(now);
  fetcher_.stop(now);
  absorb(now);
}

void Bridge::on_timer(Now now) {
  for (const auto& lane : lanes_) lane->on_timer(now);
  filters_.expire(now.instant);
  fences_.on_timer(now.instant);
  fetcher_.on_timer(now);
  while (!publish_deadlines_.empty() && publish_deadlines_.front().due <= now.instant) {
    const auto found = publishes_.find(publish_deadlines_.front().token);
    publish_deadlines_.pop_front();
    if (found == publishes_.end()) continue;
    answer(found->second, Error{ErrorCode::broker_timeout, "The broker did not acknowledge within 30 s"});
    publishes_.erase(found);
  }
  absorb(now);
}

Instant Bridge::next_deadline() const {
  Instant due = std::min({filters_.next_deadline(), fences_.next_deadline(), fetcher_.next_deadline(),
                          publish_deadlines_.empty() ? kNever : publish_deadlines_.front().due});
  for (const auto& lane : lanes_) due = std::min(due, lane->next_deadline());
  return due;
}

// --- what the sessions say ---

void Bridge::absorb(Now now) {
  const auto has_effects = [](const auto& lane) { return lane->has_effects(); };
  do {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = *lanes_[i];
      lane.take_output();
      events_.swap(lane.effects().events);
      // No command goes to the session while its events are handled: their views are of its last input.
      for (const mqtt::SessionEvent& event : events_) handle(lane, event, now);
      events_.clear();
    }
    act(now);
  } while (std::ranges::any_of(lanes_, has_effects));
}

void Bridge::act(Now now) {
  queue_filter_events(now);
  if (first().session().connected()) {
    turn_rounds(now);
    queue_filter_events(now);
  }
  join_lanes();
  open_wanted_lanes(now);
  send_upstream(now);
  if (first().session().connected()) send_fences(now);
  fetcher_.allow(first().session().connected());
  fetcher_.act(filters_.last_message(), now);
  filters_.keep_cache(fetcher_.busy() || !awaiting_round_.empty() || !riding_.empty());
  forget_gone_filters();
  for (const auto& [lane, handle] : for_nobody_)
    lanes_[lane]->session().acknowledge(handle, now.instant, lanes_[lane]->effects());
  for_nobody_.clear();
}

void Bridge::queue_filter_events(Now now) {
  auto& events = filters_.actions().events;
  while (!events.empty()) {
    for (auto& [worker, event] : std::exchange(events, {})) {
      if (worker != kLink) {
        queue(worker, std::move(event));
        continue;
      }
      if (const auto* answer = std::get_if<SubscribeAnswer>(&event)) users_.on_answer(*answer, now.wall);
      for (auto& [receiver, user_event] : std::exchange(users_.events(), {})) queue(receiver, std::move(user_event));
    }
  }
}

void Bridge::handle(Lane& lane, const mqtt::SessionEvent& event, Now now) {
  if (const auto* message = std::get_if<mqtt::MessageReceived>(&event)) return on_message(lane, *message, now);
  if (const auto* published = std::get_if<mqtt::PublishCompleted>(&event)) return on_publish_completed(*published, now);
  if (const auto* subscribed = std::get_if<mqtt::SubscribeCompleted>(&event))
    return on_subscribe_completed(lane, *subscribed, now);
  if (const auto* left = std::get_if<mqtt::UnsubscribeCompleted>(&event)) return on_unsubscribe_completed(lane, *left);
  if (const auto* connected = std::get_if<mqtt::Connected>(&event)) return on_connected(lane, *connected, now);
  if (const auto* failed = std::get_if<mqtt::ConnectFailed>(&event)) {
    lane.note_redirect(failed->code, failed->server_reference, logger_);
    if (failed->fall_back_to_3_1_1) logger_.info("broker refuses MQTT 5, trying 3.1.1", {{"reason", failed->reason}});
    return on_connection_over(lane, failed->reason, false, failed->retry_at_once, now);
  }
  if (const auto* gone = std::get_if<mqtt::Disconnected>(&event)) {
    lane.note_redirect(gone->code, gone->server_reference, logger_);
    if (gone->session_taken_over)
      logger_.error("client id taken over", {{"client_id", lane.session().client_id()},
                                             {"hint", "another program connects with this MQTT_CLIENT_ID"}});
    note_short_life(lane, *gone, now);
    return on_connection_over(lane, gone->reason, gone->blames_us, false, now);
  }
  if (const auto* large = std::get_if<mqtt::MessageTooLarge>(&event)) {
    ++counters_.messages_dropped;
    return logger_.warn("message too large", {{"topic", large->topic}, {"bytes", large->packet_bytes}});
  }
  if (const auto* warning = std::get_if<mqtt::Warning>(&event))
    logger_.warn("broker warning", {{"text", warning->text}});
}

// --- messages from the broker ---

void Bridge::on_message(Lane& lane, const mqtt::MessageReceived& message, Now now) {
  const auto done_with = [&] {
    if (message.acknowledgement != 0) for_nobody_.push_back({lane.index(), message.acknowledgement});
  };
  if (fences_.is_fence(message.topic)) {
    if (fences_.on_message(lane.index(), message.payload, message.qos)) filters_.on_fence();
    return done_with();
  }
  if (fences_.is_reserved(message.topic)) return done_with();
  UpstreamFilters::Match& match = filters_.match(message.topic);
  const bool retained_copy = message.retain && lane.session().version() == mqtt::ProtocolVersion::v3_1_1;
  if (match.matched->filters.empty() || retained_copy || !leads(lane, message, match)) {
    ++counters_.copies_dropped;
    if (match.matched->filters.empty()) warn_of_unmatched(message, now);
    return done_with();
  }
  if (message.payload.size() > options_.payload_bytes_max) {
    ++counters_.messages_dropped;
    logger_.warn("message too large", {{"topic", message.topic}, {"bytes", message.payload.size()}});
    return done_with();
  }
  ++counters_.messages_in;
  if (match.workers == 0) return done_with();
  deliver(lane, message, match, now);
}

/// A copy may come a while after its filter has gone. What comes later has another reason.
void Bridge::warn_of_unmatched(const mqtt::MessageReceived& message, Now now) {
  if (now.instant < unmatched_is_odd_from_) return;
  unmatched_is_odd_from_ = now.instant + kUnmatchedWarningInterval;
  logger_.warn("message that no filter matches",
               {{"topic", message.topic}, {"hint", "the broker may rewrite topics: docs/brokers.md"}});
}

bool Bridge::leads(const Lane& lane, const mqtt::MessageReceived& message, const UpstreamFilters::Match& match) const {
  const bool after = fences_.passed(lane.index(), stream_of(message.qos));
  const UpstreamFilters::Leader& leader = after ? match.leader_after : match.leader_before;
  if (message.qos == 0 && fences_.mutes_qos_0(lane.index())) return false;
  if (message.subscription_identifiers.empty()) return leader.number != 0 && leader.lane == lane.index();
  for (const std::uint32_t number : message.subscription_identifiers)
    if (number == leader.number) return true;
  return false;
}

void Bridge::deliver(Lane& lane, const mqtt::MessageReceived& message, UpstreamFilters::Match& match, Now now) {
  // A live message, whatever its publisher asked of the broker: not marked as retained.
  const MessageSequence sequence = filters_.count_message();
  const bool recoverable = options_.recovery_window > Duration::zero();
  const MessageEvent event = options_.encode_message(message, false, timestamp(now.wall),
                                                     recoverable ? std::to_string(sequence) : std::string());
  // A broker of version 3.1.1 does not say which messages it retains.
  const bool is_5 = lane.session().version() == mqtt::ProtocolVersion::v5;
  const Overtaking overtaking = message.retain ? Overtaking::yes : is_5 ? Overtaking::no : Overtaking::perhaps;
  if (overtaking != Overtaking::no) {
    match.last_overtaking = sequence;
    if (!is_5) match.last_fingerprint = RetainedFetcher::fingerprint(message.payload);
  }
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("message", {{"topic", message.topic}, {"qos", message.qos}, {"bytes", message.payload.size()}});
  const Delivery delivery{event.frame, match.matched, sequence, event.qos_place, message.qos, overtaking};
  if (recoverable) keep_for_recovery(delivery, now);
  WorkerSet reached = 0;
  for (WorkerSet left = match.workers; left != 0; left &= left - 1) {
    const auto worker = static_cast<std::size_t>(std::countr_zero(left));
    if (message.qos == 0 && workers_[worker].weight > kBacklogBytesMax) {
      ++counters_.messages_dropped;
      if (!std::exchange(dropping_told_, true)) logger_.warn("worker behind, dropping QoS 0", {{"worker", worker}});
      continue;
    }
    queue(worker, delivery);
    reached |= WorkerSet{1} << worker;
  }
  if (message.acknowledgement != 0) unacknowledged_.push_back({{lane.index(), message.acknowledgement}, reached});
}

std::string_view Bridge::timestamp(WallTime time) {
  if (timestamp_of_ != time) {
    timestamp_of_ = time;
    timestamp_ = to_iso8601(time);
  }
  return timestamp_;
}

void Bridge::queue(std::size_t worker, WorkerEvent event) {
  workers_[worker].weight += weight(event);
  workers_[worker].events.push_back(std::move(event));
}

void Bridge::on_handed_over(std::size_t worker, Now now) {
  workers_[worker].weight = 0;
  workers_[worker].events.clear();
  dropping_told_ = false;
  if (unacknowledged_.empty()) return;
  for (Unacknowledged& message : unacknowledged_) {
    message.workers &= ~(WorkerSet{1} << worker);
    if (message.workers != 0) continue;
    Lane& lane = *lanes_[message.acknowledgement.lane];
    lane.session().acknowledge(message.acknowledgement.handle, now.instant, lane.effects());
  }
  std::erase_if(unacknowledged_, [](const Unacknowledged& message) { return message.workers == 0; });
  absorb(now);
}

void Bridge::tell_status() {
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) queue(worker, status_);
}

// --- answers of the broker ---

void Bridge::on_publish_completed(const mqtt::PublishCompleted& completed, Now now) {
  if (const auto fence = fence_publishes_.extract(completed.token)) {
    fences_.on_publish_over(fence.mapped(), completed.taken);
    if (completed.taken) return;
    return completed.note.empty() ? fences_.on_refused(now.instant) : fences_.on_fence_lost(now.instant);
  }
  const auto found = publishes_.find(completed.token);
  if (found == publishes_.end()) return;  // QoS 0, or answered as too late
  const Asker asker = found->second;
  publishes_.erase(found);
  if (completed.taken) {
    if (!completed.note.empty()) logger_.warn("broker warning", {{"text", completed.note}});
    return answer(asker, std::nullopt);
  }
  std::string why(completed.note.empty() ? mqtt::name_of(completed.code) : completed.note);
  if (!completed.reason_string.empty()) why += ": " + completed.reason_string;
  answer(asker, Error{ErrorCode::broker_refused, "Failed to publish: " + why});
}

void Bridge::on_written(Lane& lane) {
  if (lane.index() != 0) return;  // which publishes nothing
  while (!unwritten_.empty() && unwritten_.front().position <= lane.written()) {
    answer(unwritten_.front().asker, std::nullopt);
    unwritten_.pop_front();
  }
}

void Bridge::answer(const Asker& asker, std::optional<Error> error) {
  queue(asker.worker, PublishAnswer{asker.request, std::move(error)});
}

}  // namespace famemely::gateway
