#include "gateway/bridge.hpp"

#include <fmt/format.h>

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

std::string fence_topic(const BridgeOptions& options) {
  return options.fence_topic.empty() ? fmt::format("$famemely/{}/fence", options.session.client_id)
                                     : options.fence_topic;
}

}  // namespace

Bridge::Bridge(const BridgeOptions& options, RandomSource& random, Logger& logger)
    : options_(options),
      random_(random),
      logger_(logger),
      session_(options.session),
      reconnect_(options.reconnect_min, options.reconnect_max),
      users_(filters_, random),
      fences_(fence_topic(options), "famemely/fence/" + options.session.client_id, logger),
      fetcher_(fetching_session(options.session), options.subscribe_batch, options.payload_bytes_max,
               options.recovery_window > Duration::zero(), options.encode_message, random, logger),
      recent_({options.recovery_window, options.recovery_bytes_total}),
      workers_(options.workers) {
  status_.client_id = options.session.client_id;
}

// --- the connection ---

void Bridge::start(Now now) {
  tell_status();
  schedule_open(Duration::zero(), now);
}

void Bridge::schedule_open(Duration delay, Now now) {
  if (stopped_) return;
  open_at_ = now.instant + delay;
  if (delay > Duration::zero()) return;
  open_at_ = kNever;
  open_wish_ = attempting_ = true;
}

void Bridge::on_transport_open(Now now) {
  session_.on_transport_open(now.instant, effects_);
  absorb(now);
}

void Bridge::on_bytes(std::string_view bytes, Now now) {
  session_.on_bytes(bytes, now.instant, effects_);
  absorb(now);
}

void Bridge::on_transport_closed(const std::string& why, Now now) {
  // Where the session had ended the connection itself, it has said so already.
  session_.on_transport_closed(now.instant, effects_);
  const bool told = std::ranges::any_of(effects_.events, [](const mqtt::SessionEvent& event) {
    return std::holds_alternative<mqtt::Disconnected>(event) || std::holds_alternative<mqtt::ConnectFailed>(event);
  });
  absorb(now);
  // With a wish to open, it is the connection before that has been closed.
  if (!told && attempting_ && !open_wish_) on_connection_over(why, false, now);
  close_wish_ = false;
  output_.clear();
  put_out_ = written_;
}

void Bridge::on_connected(const mqtt::Connected& connected, Now now) {
  reconnect_.on_success(now.instant);
  filters_.on_connected(connected.session_present, connected.broker.subscription_identifiers);
  fences_.on_connected(connected.session_present, now.instant);
  status_ =
      LinkStatus{.is_connected = true, .client_id = connected.client_id, .connected_at = now.wall, .last_error = {}};
  tell_status();
  logger_.info("broker connected", {{"client_id", connected.client_id},
                                    {"version", mqtt::to_string(connected.version)},
                                    {"session_present", connected.session_present}});
}

void Bridge::on_connection_over(const std::string& reason, bool retry_at_once, Now now) {
  const bool was_connected = std::exchange(status_.is_connected, false);
  attempting_ = false;
  close_wish_ = true;
  filters_.on_disconnected();
  fences_.on_disconnected();
  for (const Unwritten& unwritten : std::exchange(unwritten_, {}))
    answer(unwritten.asker, Error{ErrorCode::unavailable, std::string(kNotConnected)});
  status_.connected_at.reset();
  if (!reason.empty()) status_.last_error = reason;
  if (stopped_) return tell_status();
  ++status_.reconnect_attempts;
  tell_status();
  const Duration delay = retry_at_once ? Duration::zero() : reconnect_.on_failure(now.instant, random_);
  logger_.warn(was_connected ? "broker disconnected" : "broker connection failed",
               {{"reason", reason},
                {"attempts", status_.reconnect_attempts},
                {"retry_in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(delay).count()}});
  schedule_open(delay, now);
}

void Bridge::disconnect(Now now) {
  stopped_ = true;
  open_at_ = kNever;
  open_wish_ = false;
  session_.disconnect(mqtt::ReasonCode::success, now.instant, effects_);
  fetcher_.stop(now);
  absorb(now);
}

void Bridge::on_timer(Now now) {
  if (open_at_ <= now.instant) schedule_open(Duration::zero(), now);
  session_.on_timer(now.instant, effects_);
  filters_.expire(now.instant, status_.is_connected);
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
  return std::min({session_.next_deadline(), open_at_, filters_.next_deadline(), fences_.next_deadline(),
                   fetcher_.next_deadline(), publish_deadlines_.empty() ? kNever : publish_deadlines_.front().due});
}

// --- what the session says ---

void Bridge::absorb(Now now) {
  for (;;) {
    put_out_ += effects_.output.size();
    if (output_.empty())
      output_.swap(effects_.output);
    else
      output_.append(effects_.output);
    effects_.output.clear();
    events_.swap(effects_.events);
    // No command goes to the session while its events are handled: their views are of its last input.
    for (const mqtt::SessionEvent& event : events_) handle(event, now);
    events_.clear();
    act(now);
    if (effects_.events.empty() && effects_.output.empty()) return;
  }
}

void Bridge::act(Now now) {
  queue_filter_events(now);
  if (session_.connected()) {
    turn_rounds(now);
    queue_filter_events(now);
    send_upstream(now);
    send_fences(now);
  } else {
    // on_connected asks for whatever is not held
    for (const auto& action : std::exchange(filters_.actions().upstream, {}))
      if (const auto* unsubscribe = std::get_if<UpstreamFilters::Unsubscribe>(&action))
        filters_.on_unsubscribe_lost(unsubscribe->filter);
  }
  fetcher_.allow(session_.connected());
  fetcher_.act(filters_.last_message(), now);
  filters_.keep_cache(fetcher_.busy() || !awaiting_round_.empty() || !riding_.empty());
  forget_gone_filters();
  for (const mqtt::AcknowledgementHandle handle : for_nobody_) session_.acknowledge(handle, now.instant, effects_);
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
      if (const auto* answer = std::get_if<SubscribeAnswer>(&event))
        users_.on_answer(*answer, now.wall, session_.connected());
      for (auto& [receiver, user_event] : std::exchange(users_.events(), {})) queue(receiver, std::move(user_event));
    }
  }
}

void Bridge::handle(const mqtt::SessionEvent& event, Now now) {
  if (const auto* message = std::get_if<mqtt::MessageReceived>(&event)) return on_message(*message, now);
  if (const auto* published = std::get_if<mqtt::PublishCompleted>(&event)) return on_publish_completed(*published, now);
  if (const auto* subscribed = std::get_if<mqtt::SubscribeCompleted>(&event))
    return on_subscribe_completed(*subscribed, now);
  if (const auto* left = std::get_if<mqtt::UnsubscribeCompleted>(&event)) return on_unsubscribe_completed(*left);
  if (const auto* connected = std::get_if<mqtt::Connected>(&event)) return on_connected(*connected, now);
  if (const auto* failed = std::get_if<mqtt::ConnectFailed>(&event)) {
    if (failed->fall_back_to_3_1_1) logger_.info("broker refuses MQTT 5, trying 3.1.1", {{"reason", failed->reason}});
    return on_connection_over(failed->reason, failed->retry_at_once, now);
  }
  if (const auto* gone = std::get_if<mqtt::Disconnected>(&event)) {
    if (gone->session_taken_over)
      logger_.error("client id taken over",
                    {{"client_id", status_.client_id}, {"hint", "another program connects with this MQTT_CLIENT_ID"}});
    return on_connection_over(gone->reason, false, now);
  }
  if (const auto* large = std::get_if<mqtt::MessageTooLarge>(&event)) {
    ++counters_.messages_dropped;
    return logger_.warn("message too large", {{"topic", large->topic}, {"bytes", large->packet_bytes}});
  }
  if (const auto* warning = std::get_if<mqtt::Warning>(&event))
    logger_.warn("broker warning", {{"text", warning->text}});
}

// --- messages from the broker ---

void Bridge::on_message(const mqtt::MessageReceived& message, Now now) {
  const auto done_with = [&] {
    if (message.acknowledgement != 0) for_nobody_.push_back(message.acknowledgement);
  };
  if (fences_.is_fence(message.topic)) {
    if (const auto stream = fences_.on_message(message.payload, message.qos)) filters_.on_fence(*stream);
    return done_with();
  }
  UpstreamFilters::Match& match = filters_.match(message.topic);
  const bool retained_copy = message.retain && session_.version() == mqtt::ProtocolVersion::v3_1_1;
  if (match.matched->filters.empty() || retained_copy || !leads(message, match.leader(stream_of(message.qos)))) {
    ++counters_.copies_dropped;
    return done_with();
  }
  if (message.payload.size() > options_.payload_bytes_max) {
    ++counters_.messages_dropped;
    logger_.warn("message too large", {{"topic", message.topic}, {"bytes", message.payload.size()}});
    return done_with();
  }
  ++counters_.messages_in;
  if (match.workers == 0) return done_with();
  deliver(message, match, now);
}

bool Bridge::leads(const mqtt::MessageReceived& message, std::uint32_t leader) const {
  if (message.subscription_identifiers.empty()) return true;  // the broker does not tell its copies apart
  for (const std::uint32_t number : message.subscription_identifiers)
    if (number == leader) return true;
  return false;
}

void Bridge::deliver(const mqtt::MessageReceived& message, UpstreamFilters::Match& match, Now now) {
  // A live message, whatever its publisher asked of the broker: not marked as retained.
  const MessageSequence sequence = filters_.count_message();
  const bool recoverable = options_.recovery_window > Duration::zero();
  const MessageEvent event = options_.encode_message(message, false, timestamp(now.wall),
                                                     recoverable ? std::to_string(sequence) : std::string());
  // A broker of version 3.1.1 does not say which messages it retains.
  const bool is_5 = session_.version() == mqtt::ProtocolVersion::v5;
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
  if (message.acknowledgement != 0) unacknowledged_.push_back({message.acknowledgement, reached});
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
    if (message.workers == 0) session_.acknowledge(message.handle, now.instant, effects_);
  }
  std::erase_if(unacknowledged_, [](const Unacknowledged& message) { return message.workers == 0; });
  absorb(now);
}

void Bridge::tell_status() {
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) queue(worker, status_);
}

// --- answers of the broker ---

void Bridge::on_publish_completed(const mqtt::PublishCompleted& completed, Now now) {
  if (fence_publishes_.erase(completed.token)) return fences_.on_published(completed.taken, now.instant);
  const auto found = publishes_.find(completed.token);
  if (found == publishes_.end()) return;  // QoS 0, or answered as too late
  const Asker asker = found->second;
  publishes_.erase(found);
  if (completed.taken) {
    if (!completed.note.empty()) logger_.warn("broker warning", {{"text", completed.note}});
    return answer(asker, std::nullopt);
  }
  answer(asker, Error{ErrorCode::broker_refused,
                      fmt::format("Failed to publish: {}",
                                  completed.note.empty() ? mqtt::name_of(completed.code) : completed.note)});
}

void Bridge::on_written(std::size_t bytes, Now) {
  written_ += bytes;
  while (!unwritten_.empty() && unwritten_.front().position <= written_) {
    answer(unwritten_.front().asker, std::nullopt);
    unwritten_.pop_front();
  }
}

void Bridge::answer(const Asker& asker, std::optional<Error> error) {
  queue(asker.worker, PublishAnswer{asker.request, std::move(error)});
}

// --- subscriptions ---

void Bridge::send_upstream(Now now) {
  // With subscription identifiers one filter a packet, without them as many as the broker takes. The order counts: a
  // filter may be given up and asked for again in one turn.
  const std::size_t batch =
      session_.broker().subscription_identifiers ? 1 : std::max<std::size_t>(options_.subscribe_batch, 1);
  std::vector<FilterId> ids;
  const auto flush = [&] {
    if (!ids.empty()) send_subscribe(ids, now);
    ids.clear();
  };
  for (const auto& action : std::exchange(filters_.actions().upstream, {})) {
    if (const auto* unsubscribe = std::get_if<UpstreamFilters::Unsubscribe>(&action)) {
      flush();
      send_unsubscribe(unsubscribe->filter, now);
      continue;
    }
    const FilterId id = std::get<UpstreamFilters::Subscribe>(action).id;
    if (!filters_.contains(id)) continue;
    ids.push_back(id);
    if (ids.size() == batch) flush();
  }
  flush();
}

void Bridge::send_subscribe(const std::vector<FilterId>& ids, Now now) {
  mqtt::SubscribeCommand command{.token = ++last_token_, .entries = {}};
  for (const FilterId id : ids) {
    const std::uint8_t qos = std::min(filters_.qos_to_ask(id), session_.broker().maximum_qos);
    mqtt::SubscribeEntry entry{.filter = filters_.filter(id), .qos = qos};
    if (session_.version() == mqtt::ProtocolVersion::v5) {  // 3.1.1 has no such options
      entry.retain_as_published = true;
      entry.retain_handling = mqtt::RetainHandling::do_not_send;
    }
    command.entries.push_back(std::move(entry));
  }
  if (session_.broker().subscription_identifiers) command.subscription_identifier = filters_.number(ids.front());
  if (const auto accepted = session_.subscribe(command, now.instant, effects_); !accepted) {
    for (const FilterId id : ids)
      filters_.on_subscribed(id, mqtt::ReasonCode::unspecified_error, accepted.error().text());
    return;
  }
  subscribes_.emplace(command.token, ids);
}

void Bridge::send_unsubscribe(const mqtt::TopicFilter& filter, Now now) {
  const mqtt::Token token = ++last_token_;
  if (session_.unsubscribe({.token = token, .filters = {filter}}, now.instant, effects_))
    unsubscribes_.emplace(token, filter);
  else
    filters_.on_unsubscribe_lost(filter);
}

void Bridge::on_subscribe_completed(const mqtt::SubscribeCompleted& completed, Now now) {
  if (completed.token == fence_subscribe_) {
    fence_subscribe_ = 0;
    if (completed.lost) return fences_.on_subscribe_lost();
    return fences_.on_subscribed(!mqtt::is_failure(completed.codes.front()), now.instant);
  }
  const auto found = subscribes_.find(completed.token);
  if (found == subscribes_.end()) return;
  const std::vector<FilterId> ids = std::move(found->second);
  subscribes_.erase(found);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (completed.lost || i >= completed.codes.size()) {
      filters_.on_answer_lost(ids[i]);
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

void Bridge::on_unsubscribe_completed(const mqtt::UnsubscribeCompleted& completed) {
  const auto found = unsubscribes_.find(completed.token);
  if (found == unsubscribes_.end()) return;
  if (completed.lost) filters_.on_unsubscribe_lost(found->second);
  unsubscribes_.erase(found);
}

}  // namespace famemely::gateway
