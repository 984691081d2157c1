#include "gateway/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/message_event.hpp"
#include "gateway/uuid.hpp"

namespace famemely::gateway {

const Subscription* Client::find(const mqtt::TopicFilter& filter) const {
  const auto found = std::ranges::find(subscriptions, filter, &Subscription::filter);
  return found == subscriptions.end() ? nullptr : &*found;
}

RequestId request_of(const Outcome& outcome) {
  return std::visit(
      [](const auto& any) -> RequestId {
        if constexpr (requires { any.request; })
          return any.request;
        else
          return 0;
      },
      outcome);
}

Worker::Worker(WorkerOptions options, socketio::Server& server, RandomSource& random)
    : options_(std::move(options)), server_(server), random_(random) {}

// --- clients ---

void Worker::add_client(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
                        std::shared_ptr<const Permissions> permissions, Now now,
                        const std::optional<socketio::Sid>& pid) {
  if (socket.slot >= clients_.size()) clients_.resize(socket.slot + std::size_t{1});
  Client& client = clients_[socket.slot];
  client = Client{.socket = socket,
                  .identity = std::move(identity),
                  .permissions = std::move(permissions),
                  .subscriptions = {},
                  .sid = socketio::Sid::parse(server_.sid(socket)),
                  .pid = pid};
  ++client_count_;
  if (pid) sessions_[*pid] = {socket, nullptr};
  begin_access(client, now);
  add_socket_of_user(client);
  for (const UserHere::Held& held : users_.at(client.identity->user_id).subscriptions)
    if (index_.is_member(held.filter, socket.slot)) ask_retained(socket, held.filter, last_message_);
}

void Worker::give_seat(socketio::SocketId socket, UserSeat seat) {
  Client* client = find(socket);
  if (!client) return;
  client->seat = std::move(seat);
}

Client* Worker::find(socketio::SocketId socket) {
  if (socket.slot >= clients_.size()) return nullptr;
  Client& client = clients_[socket.slot];
  return client.identity && client.socket == socket ? &client : nullptr;
}

void Worker::remove_client(socketio::SocketId socket) {
  Client* client = find(socket);
  if (!client) return;
  while (!client->subscriptions.empty()) leave(*client, client->subscriptions.size() - 1);
  const std::string user_id = client->identity->user_id;
  remove_socket_of_user(*client);
  forget_user_if_gone(user_id);
  replays_.remove(socket.slot);
  session_bytes_ -= client->own_events.bytes();
  if (client->pid) end_session(*client->pid);
  forget(*client);
}

void Worker::forget(Client& client) {
  access_alarms_.cancel(client.socket.slot);
  client = Client{};
  --client_count_;
}

// --- requests ---

RequestId Worker::publish(OutgoingMessage message) {
  const RequestId request = ++last_request_;
  ++counters_.publishes;
  if (!link_status_.is_connected) {
    outcomes_.emplace_back(PublishOutcome{request, Error{ErrorCode::unavailable, "MQTT client is not connected"}});
    return request;
  }
  awaited_.insert(request);
  commands_.emplace_back(PublishCommand{options_.index, request, std::move(message)});
  return request;
}

RequestId Worker::subscribe(socketio::SocketId socket, const mqtt::TopicFilter& filter, std::uint8_t qos) {
  const RequestId request = ++last_request_;
  Client* client = find(socket);
  if (!client) return request;  // gone: nobody waits for the answer
  if (!client->find(filter)) {
    if (auto refusal = refuse_subscription(*client)) {
      outcomes_.emplace_back(SubscribeOutcome{request, failure(*std::move(refusal))});
      return request;
    }
  }
  ask_for_filter(request, *client, filter, qos);
  return request;
}

void Worker::ask_for_filter(RequestId request, Client& client, const mqtt::TopicFilter& filter, std::uint8_t qos) {
  ++client.asks;
  ++held_[filter.text()].asks;
  asks_.emplace(request, Ask{client.socket, filter, qos, {}});
  commands_.emplace_back(SubscribeCommand{options_.index, request, filter, qos});
}

std::optional<Error> Worker::refuse_subscription(Client& client) {
  if (client.subscriptions.size() + client.asks >= options_.subscriptions_per_socket_max) {
    count(options_.limit_counters, Limit::subscriptions_per_socket);
    return Error{ErrorCode::too_many_requests,
                 fmt::format("Too many subscriptions: a socket may hold {}", options_.subscriptions_per_socket_max)};
  }
  if (client.seat.add_subscription()) return std::nullopt;
  return too_many_of_user();
}

Error Worker::too_many_of_user() const {
  count(options_.limit_counters, Limit::subscriptions_per_user);
  return Error{ErrorCode::too_many_requests, "Too many subscriptions of this user"};
}

RequestId Worker::unsubscribe(socketio::SocketId socket, const mqtt::TopicFilter& filter) {
  const RequestId request = ++last_request_;
  Client* client = find(socket);
  if (!client) return request;
  if (client->asks > 0) {
    // A subscribe of the same filter may be on its way: the answers must come in the order of the requests.
    RequestId newest = 0;
    for (const auto& [id, ask] : asks_)
      if (ask.socket == socket && ask.filter == filter) newest = std::max(newest, id);
    if (newest) {
      asks_.at(newest).then_unsubscribe.push_back(request);
      return request;
    }
  }
  std::optional<Error> error;
  if (const Subscription* held = client->find(filter))
    leave(*client, static_cast<std::size_t>(held - client->subscriptions.data()));
  else
    error = Error{ErrorCode::not_found, fmt::format("Not subscribed to {}", filter.text())};
  outcomes_.emplace_back(UnsubscribeOutcome{request, std::move(error)});
  return request;
}

void Worker::leave(Client& client, std::size_t subscription) {
  const Subscription left = std::move(client.subscriptions[subscription]);
  client.subscriptions.erase(client.subscriptions.begin() + static_cast<std::ptrdiff_t>(subscription));
  client.seat.keep_subscriptions(client.subscriptions.size() + client.asks);
  settle_membership(client, left.filter, left.filter_id);
}

/// A client that holds a filter itself and by its user is one member, at the higher quality of service.
void Worker::settle_membership(const Client& client, const mqtt::TopicFilter& filter, FilterId id) {
  const Subscription* own = client.find(filter);
  const UserHere::Held* of_user = held_by_user(client, filter);
  if (own || of_user) {
    constexpr std::uint8_t kNothing = 0;
    index_.join(id, client.socket.slot,
                std::max(own ? own->qos : kNothing, of_user ? of_user->subscription->qos : kNothing));
    return;
  }
  index_.leave(id, client.socket.slot);
  replays_.stop(client.socket.slot, id);
  release_unheld(filter);
}

void Worker::release_unheld(const mqtt::TopicFilter& filter) {
  const auto held = held_.find(filter.text());
  if (held == held_.end() || held->second.asks > 0 || held->second.keepers > 0) return;
  const FilterId id = held->second.id;
  if (id != 0 && index_.has_members(id)) return;
  held_.erase(held);
  if (id != 0) commands_.emplace_back(ReleaseCommand{options_.index, id, last_grant_});
}

// --- answers ---

void Worker::on_link_event(WorkerEvent& event, Now now, socketio::Effects& effects) {
  if (const auto* delivery = std::get_if<Delivery>(&event)) return deliver(*delivery, now, effects);
  if (auto* subscribe_answer = std::get_if<SubscribeAnswer>(&event)) return on_subscribe_answer(*subscribe_answer, now);
  if (auto* publish_answer = std::get_if<PublishAnswer>(&event)) {
    if (awaited_.erase(publish_answer->request))
      outcomes_.emplace_back(PublishOutcome{publish_answer->request, std::move(publish_answer->error)});
  } else if (const auto* retained = std::get_if<RetainedMessages>(&event)) {
    on_retained(*retained, now.instant);
  } else if (const auto* lost = std::get_if<FilterLost>(&event)) {
    on_filter_lost(*lost);
  } else if (auto* status = std::get_if<LinkStatus>(&event)) {
    link_status_ = std::move(*status);
  } else if (const auto* subscribed = std::get_if<UserSubscribed>(&event)) {
    on_user_subscribed(*subscribed);
  } else if (const auto* unsubscribed = std::get_if<UserUnsubscribed>(&event)) {
    on_user_unsubscribed(*unsubscribed->subscription);
  } else if (const auto* refused = std::get_if<UserSubscriptionRefused>(&event)) {
    on_user_subscription_refused(*refused);
  } else if (auto* user_answer = std::get_if<UserSubscribeAnswer>(&event)) {
    if (awaited_.erase(user_answer->request))
      outcomes_.emplace_back(UserSubscribeOutcome{user_answer->request, std::move(user_answer->outcome)});
  } else if (auto* left_answer = std::get_if<UserUnsubscribeAnswer>(&event)) {
    if (awaited_.erase(left_answer->request))
      outcomes_.emplace_back(UnsubscribeOutcome{left_answer->request, std::move(left_answer->error)});
  } else if (const auto* question = std::get_if<SurveyQuestion>(&event)) {
    answer_survey(*question);
  } else if (auto* survey = std::get_if<SurveyAnswer>(&event)) {
    if (awaited_.erase(survey->request))
      outcomes_.emplace_back(SurveyOutcome{survey->request, std::move(survey->survey)});
  } else if (const auto* wanted = std::get_if<RecoveryQuestion>(&event)) {
    on_recovery_question(*wanted, now, effects);
  } else if (auto* recovered = std::get_if<Recovered>(&event)) {
    on_recovered(*recovered, now, effects);
  } else if (const auto* ending = std::get_if<EndSessions>(&event)) {
    on_end_sessions(*ending, now, effects);
  } else if (const auto* ended = std::get_if<SessionsEnded>(&event)) {
    if (awaited_.erase(ended->request)) outcomes_.emplace_back(SessionsEndedOutcome{ended->request, ended->sockets});
  } else if (const auto* changed = std::get_if<PolicyChanged>(&event)) {
    use_policy(changed->policy);
  } else if (std::holds_alternative<KeysChanged>(event)) {
    check_keys(now);
  }
}

void Worker::on_subscribe_answer(SubscribeAnswer& answer, Now now) {
  const auto found = asks_.find(answer.request);
  if (found == asks_.end()) return;
  Ask ask = std::move(found->second);
  asks_.erase(found);
  HeldFilter& held = held_[ask.filter.text()];
  --held.asks;
  if (answer.outcome) {
    held.id = answer.outcome->filter;
    note_grant(*answer.outcome);
  }

  if (Client* client = find(ask.socket)) {
    --client->asks;
    // Its rights may have shrunk since it asked.
    if (answer.outcome && !client->permissions->decide_subscribe(ask.filter))
      answer.outcome =
          failure(Error{ErrorCode::forbidden, fmt::format("Not authorized to subscribe to {}", ask.filter.text())});
    if (!answer.outcome) {
      if (late_asks_.contains(answer.request))
        outcomes_.emplace_back(SubscriptionLost{ask.socket, ask.filter, std::move(answer.outcome.error())});
      else
        outcomes_.emplace_back(SubscribeOutcome{answer.request, failure(std::move(answer.outcome.error()))});
    } else {
      const std::uint8_t qos = std::min(ask.qos, answer.outcome->qos);
      auto existing = std::ranges::find(client->subscriptions, ask.filter, &Subscription::filter);
      if (existing == client->subscriptions.end()) {
        client->subscriptions.push_back({make_uuid(random_), ask.filter, held.id, qos, now.wall, last_message_});
        existing = client->subscriptions.end() - 1;
      }
      existing->qos = qos;
      settle_membership(*client, ask.filter, held.id);
      if (late_asks_.contains(answer.request))
        outcomes_.emplace_back(LateSubscribeOutcome{ask.socket, *existing});
      else
        outcomes_.emplace_back(SubscribeOutcome{answer.request, *existing});
      ask_retained(ask.socket, held.id, last_message_);
    }
    for (const RequestId request : ask.then_unsubscribe) {
      std::optional<Error> error;
      if (const Subscription* subscription = client->find(ask.filter))
        leave(*client, static_cast<std::size_t>(subscription - client->subscriptions.data()));
      else
        error = Error{ErrorCode::not_found, fmt::format("Not subscribed to {}", ask.filter.text())};
      outcomes_.emplace_back(UnsubscribeOutcome{request, std::move(error)});
    }
    client->seat.keep_subscriptions(client->subscriptions.size() + client->asks);
  } else {
    // Nobody is told; whoever keeps a note of the requests is done with them.
    const Error gone{ErrorCode::unavailable, "The socket is gone"};
    outcomes_.emplace_back(SubscribeOutcome{answer.request, failure(gone)});
    for (const RequestId request : ask.then_unsubscribe) outcomes_.emplace_back(UnsubscribeOutcome{request, gone});
  }
  late_asks_.erase(answer.request);
  release_unheld(ask.filter);
}

/// Messages up to the grant went to others, if to anybody, though this worker may not have seen them.
void Worker::note_grant(const Granted& granted) {
  last_grant_ = granted.number;
  last_message_ = std::max(last_message_, granted.after);
}

void Worker::on_filter_lost(const FilterLost& lost) {
  for_each_client([&](Client& client) {
    const auto found = std::ranges::find(client.subscriptions, lost.filter, &Subscription::filter_id);
    if (found == client.subscriptions.end()) return;
    outcomes_.emplace_back(SubscriptionLost{client.socket, found->filter, lost.error});
    leave(client, static_cast<std::size_t>(found - client.subscriptions.begin()));
  });
  on_filter_lost_to_kept(lost);
  for (auto& [user_id, user] : users_) {
    const auto found = std::ranges::find(user.subscriptions, lost.filter, &UserHere::Held::filter);
    if (found != user.subscriptions.end())
      drop_user_subscription(user, static_cast<std::size_t>(found - user.subscriptions.begin()), &lost.error);
  }
}

void Worker::on_link_full(std::vector<LinkCommand>& commands) {
  std::vector<LinkCommand> kept;  // all others wait until there is room
  for (LinkCommand& command : commands) {
    const auto* publish = std::get_if<PublishCommand>(&command);
    if (!publish) {
      kept.push_back(std::move(command));
      continue;
    }
    awaited_.erase(publish->request);
    outcomes_.emplace_back(
        PublishOutcome{publish->request, Error{ErrorCode::unavailable, "The gateway is overloaded"}});
  }
  commands.swap(kept);
}

// --- messages ---

void Worker::deliver(const Delivery& delivery, Now now, socketio::Effects& effects) {
  last_message_ = delivery.sequence;
  const bool overtakes = delivery.overtaking != Overtaking::no && !replays_.empty();
  const bool recovers = options_.recovery_window > Duration::zero();  // frames carry offsets
  index_.for_each_recipient(delivery.matched->filters, [&](ClientSlot slot, std::uint8_t subscribed_qos) {
    const std::uint8_t qos = std::min(subscribed_qos, delivery.qos);
    const Client& client = clients_[slot];
    const bool as_it_is = qos == delivery.qos && (client.pid || !recovers);
    switch (
        server_.emit(client.socket, as_it_is ? delivery.frame : frame_for(delivery, qos, client.pid || !recovers))) {
      case socketio::EmitResult::queued:
        ++counters_.messages_out;
        if (overtakes) replays_.on_live_message(slot, delivery.matched->topic, delivery.sequence, delivery.overtaking);
        break;
      case socketio::EmitResult::full:
        on_queue_full(slot, qos);
        break;
      case socketio::EmitResult::gone:
        break;
    }
  });
  for (socketio::Frame& frame : variants_) frame = {};
  // Not before all have their message: closing takes clients out of the index.
  for (const socketio::SocketId socket : std::exchange(slow_, {})) {
    ++counters_.slow_consumers;
    server_.close_transport(socket, socketio::DisconnectReason::slow_consumer, now, effects);
  }
}

void Worker::on_queue_full(ClientSlot slot, std::uint8_t qos) {
  Client& client = clients_[slot];
  if (qos > 0) {
    slow_.push_back(client.socket);
    return;
  }
  ++counters_.messages_dropped;
  if (client.dropped++ == 0) server_.tell_when_drained(client.socket);
}

const socketio::Frame& Worker::frame_for(const Delivery& delivery, std::uint8_t qos, bool offset) {
  socketio::Frame& frame = variants_[qos + (offset ? 0 : 3)];
  if (!frame) {
    std::string bytes(delivery.frame.websocket_bytes());
    bytes[delivery.qos_place] = static_cast<char>('0' + qos);
    frame = socketio::Frame(SharedBytes(bytes));
    if (!offset) frame = socketio::without_offset(frame);
  }
  return frame;
}

void Worker::on_queue_drained(socketio::SocketId socket, Now now, socketio::Effects& effects) {
  Client* client = find(socket);
  if (!client) return;
  if (const std::uint64_t count = std::exchange(client->dropped, 0); count > 0)
    emit_own(*client, "mqtt:dropped", fmt::format("{{\"count\":{}}}", count), now, effects);
  go_on_with_replay(socket, now.instant);
}

void Worker::emit_or_close(socketio::SocketId socket, std::string_view event, std::string args_json, Now now,
                           socketio::Effects& effects) {
  if (Client* client = find(socket)) return emit_own(*client, event, std::move(args_json), now, effects);
  if (KeptSession* session = kept_session_of(socket)) {
    const std::string offset = next_own_offset();
    socketio::append_offset(args_json, offset);
    session_bytes_ -= session->own_events.bytes();
    session->own_events.add(
        {offset, last_message_, socketio::make_event_frame(kNamespace, event, args_json), now.instant},
        own_event_limits());
    session_bytes_ += session->own_events.bytes();
  }
}

void Worker::emit_own(Client& client, std::string_view event, std::string args_json, Now now,
                      socketio::Effects& effects) {
  std::string offset;
  if (client.pid) socketio::append_offset(args_json, offset = next_own_offset());
  const socketio::Frame frame = socketio::make_event_frame(kNamespace, event, args_json);
  // Noted first: if the queue is full, this is what the client comes back for.
  if (client.pid) note_own_event(client, {std::move(offset), last_message_, frame, now.instant});
  if (server_.emit(client.socket, frame) != socketio::EmitResult::full) return;
  ++counters_.slow_consumers;
  server_.close_transport(client.socket, socketio::DisconnectReason::slow_consumer, now, effects);
}

void Worker::note_own_event(Client& client, OwnEvents::Event event) {
  const Instant now = event.at;
  change_own_events(client, [&](OwnEvents& events) { events.add(std::move(event), own_event_limits()); });
  keep_within_bounds(&client, now);
}

/// No other worker makes the same one, so it stays clear when the session moves.
std::string Worker::next_own_offset() {
  return fmt::format("{}.{}", last_message_, ++own_offsets_ * (kWorkersMax + 1) + options_.index);
}

// --- retained messages ---

void Worker::ask_retained(socketio::SocketId socket, FilterId filter, MessageSequence joined_at) {
  const RequestId request = ++last_request_;
  retained_asks_.emplace(request, RetainedAsk{socket, filter, joined_at});
  commands_.emplace_back(RetainedCommand{options_.index, request, filter, joined_at});
}

void Worker::on_retained(const RetainedMessages& retained, Instant now) {
  for (const RequestId request : retained.requests) {
    const auto found = retained_asks_.find(request);
    if (found == retained_asks_.end()) continue;
    const RetainedAsk ask = found->second;
    if (!retained.more) retained_asks_.erase(found);
    // Who has left the filter meanwhile is no member any more; who came back to it asks anew.
    if (retained.list->messages.empty() || !find(ask.socket) || !index_.is_member(ask.filter, ask.socket.slot))
      continue;
    replays_.add(ask.socket.slot, ask.filter, retained.list, ask.joined_at);
    go_on_with_replay(ask.socket, now);
  }
}

void Worker::go_on_with_replay(socketio::SocketId socket, Instant now) {
  Client& client = *find(socket);
  while (const RetainedMessage* message = replays_.next(socket.slot)) {
    const std::size_t queued = server_.queued_bytes(socket);
    if (queued >= options_.replay_bytes) return server_.tell_when_drained(socket);
    const bool strip = !client.pid && !message->offset.empty();
    switch (server_.emit(socket, strip ? socketio::without_offset(message->frame) : message->frame)) {
      case socketio::EmitResult::queued:
        ++counters_.messages_out;
        if (client.pid)
          note_own_event(client, {message->offset, last_message_, message->frame, now, replays_.filter(socket.slot)});
        break;
      case socketio::EmitResult::full:
        if (queued > 0) return server_.tell_when_drained(socket);
        ++counters_.messages_dropped;  // it would not fit into an empty queue either
        break;
      case socketio::EmitResult::gone:
        return;
    }
    replays_.pop(socket.slot);
  }
  for (Replays::LeftOut& left_out : replays_.take_left_out()) {
    const RequestId request = ++last_request_;
    retained_asks_.emplace(request, RetainedAsk{socket, left_out.filter, left_out.joined_at});
    commands_.emplace_back(
        RetainedAgainCommand{options_.index, request, left_out.joined_at, std::move(left_out.overtaken)});
  }
}

}  // namespace famemely::gateway
