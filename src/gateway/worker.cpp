#include "gateway/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/message_event.hpp"

namespace famemely::gateway {

const Subscription* Client::find(const mqtt::TopicFilter& filter) const {
  const auto found = std::ranges::find(subscriptions, filter, &Subscription::filter);
  return found == subscriptions.end() ? nullptr : &*found;
}

Worker::Worker(const WorkerOptions& options, socketio::Server& server, RandomSource& random)
    : options_(options), server_(server), random_(random) {}

// --- clients ---

void Worker::add_client(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
                        std::shared_ptr<const Permissions> permissions) {
  if (socket.slot >= clients_.size()) clients_.resize(socket.slot + std::size_t{1});
  clients_[socket.slot] = Client{
      .socket = socket, .identity = std::move(identity), .permissions = std::move(permissions), .subscriptions = {}};
  ++client_count_;
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
  *client = Client{};
  --client_count_;
}

// --- requests ---

RequestId Worker::publish(OutgoingMessage message) {
  const RequestId request = ++last_request_;
  ++counters_.publishes;
  if (!link_status_.is_connected) {
    outcomes_.push_back(PublishOutcome{request, Error{ErrorCode::unavailable, "MQTT client is not connected"}});
    return request;
  }
  publishes_.emplace(request, message.qos);
  commands_.push_back(PublishCommand{options_.index, request, std::move(message)});
  return request;
}

RequestId Worker::subscribe(socketio::SocketId socket, const mqtt::TopicFilter& filter, std::uint8_t qos) {
  const RequestId request = ++last_request_;
  Client* client = find(socket);
  if (!client) return request;  // gone: nobody waits for the answer
  if (!client->find(filter) && client->subscriptions.size() + client->asks >= options_.subscriptions_per_socket_max) {
    outcomes_.push_back(SubscribeOutcome{
        request, failure(Error{ErrorCode::too_many_requests, fmt::format("Too many subscriptions: a socket may hold {}",
                                                                         options_.subscriptions_per_socket_max)})});
    return request;
  }
  ++client->asks;
  ++held_[filter.text()].asks;
  asks_.emplace(request, Ask{socket, filter, qos, {}});
  commands_.push_back(SubscribeCommand{options_.index, request, filter, qos});
  return request;
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
  outcomes_.push_back(UnsubscribeOutcome{request, std::move(error)});
  return request;
}

void Worker::leave(Client& client, std::size_t subscription) {
  const Subscription left = std::move(client.subscriptions[subscription]);
  client.subscriptions.erase(client.subscriptions.begin() + static_cast<std::ptrdiff_t>(subscription));
  index_.leave(left.filter_id, client.socket.slot);
  release_unheld(left.filter);
}

void Worker::release_unheld(const mqtt::TopicFilter& filter) {
  const auto held = held_.find(filter.text());
  if (held == held_.end() || held->second.asks > 0) return;
  const FilterId id = held->second.id;
  if (id != 0 && index_.has_members(id)) return;
  held_.erase(held);
  if (id != 0) commands_.push_back(ReleaseCommand{options_.index, id});
}

std::string Worker::make_id() {
  // A version 4 UUID (RFC 9562 section 5.4).
  std::uint8_t bytes[16];
  random_.fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  std::string id;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id.push_back('-');
    fmt::format_to(std::back_inserter(id), "{:02x}", bytes[i]);
  }
  return id;
}

// --- answers ---

void Worker::on_link_event(WorkerEvent& event, Now now, socketio::Effects& effects) {
  if (const auto* delivery = std::get_if<Delivery>(&event)) return deliver(*delivery, now, effects);
  if (auto* subscribe_answer = std::get_if<SubscribeAnswer>(&event)) return on_subscribe_answer(*subscribe_answer, now);
  if (auto* publish_answer = std::get_if<PublishAnswer>(&event)) {
    if (publishes_.erase(publish_answer->request))
      outcomes_.push_back(PublishOutcome{publish_answer->request, std::move(publish_answer->error)});
    return;
  }
  if (const auto* lost = std::get_if<FilterLost>(&event)) return on_filter_lost(*lost);
  if (auto* status = std::get_if<LinkStatus>(&event)) link_status_ = std::move(*status);
}

void Worker::on_subscribe_answer(SubscribeAnswer& answer, Now now) {
  const auto found = asks_.find(answer.request);
  if (found == asks_.end()) return;
  Ask ask = std::move(found->second);
  asks_.erase(found);
  HeldFilter& held = held_[ask.filter.text()];
  --held.asks;
  if (answer.outcome) held.id = answer.outcome->filter;

  if (Client* client = find(ask.socket)) {
    --client->asks;
    if (!answer.outcome) {
      outcomes_.push_back(SubscribeOutcome{answer.request, failure(std::move(answer.outcome.error()))});
    } else {
      const std::uint8_t qos = std::min(ask.qos, answer.outcome->qos);
      index_.join(held.id, ask.socket.slot, qos);
      auto existing = std::ranges::find(client->subscriptions, ask.filter, &Subscription::filter);
      if (existing == client->subscriptions.end()) {
        client->subscriptions.push_back({make_id(), ask.filter, held.id, qos, now.wall});
        existing = client->subscriptions.end() - 1;
      }
      existing->qos = qos;
      outcomes_.push_back(SubscribeOutcome{answer.request, *existing});
    }
    for (const RequestId request : ask.then_unsubscribe) {
      std::optional<Error> error;
      if (const Subscription* subscription = client->find(ask.filter))
        leave(*client, static_cast<std::size_t>(subscription - client->subscriptions.data()));
      else
        error = Error{ErrorCode::not_found, fmt::format("Not subscribed to {}", ask.filter.text())};
      outcomes_.push_back(UnsubscribeOutcome{request, std::move(error)});
    }
  }
  release_unheld(ask.filter);
}

void Worker::on_filter_lost(const FilterLost& lost) {
  for_each_client([&](Client& client) {
    const auto found = std::ranges::find(client.subscriptions, lost.filter, &Subscription::filter_id);
    if (found == client.subscriptions.end()) return;
    outcomes_.push_back(SubscriptionLost{client.socket, found->filter, lost.error});
    leave(client, static_cast<std::size_t>(found - client.subscriptions.begin()));
  });
}

void Worker::on_link_full(std::vector<LinkCommand>& commands) {
  std::vector<LinkCommand> kept;  // subscriptions and releases wait until there is room
  for (LinkCommand& command : commands) {
    const auto* publish = std::get_if<PublishCommand>(&command);
    if (!publish) {
      kept.push_back(std::move(command));
      continue;
    }
    publishes_.erase(publish->request);
    outcomes_.push_back(PublishOutcome{publish->request, Error{ErrorCode::unavailable, "The gateway is overloaded"}});
  }
  commands.swap(kept);
}

// --- messages ---

void Worker::deliver(const Delivery& delivery, Now now, socketio::Effects& effects) {
  index_.for_each_recipient(*delivery.filters, [&](ClientSlot slot, std::uint8_t subscribed_qos) {
    const std::uint8_t qos = std::min(subscribed_qos, delivery.qos);
    switch (server_.emit(clients_[slot].socket, qos == delivery.qos ? delivery.frame : frame_at(delivery, qos))) {
      case socketio::EmitResult::queued:
        ++counters_.messages_out;
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

const socketio::Frame& Worker::frame_at(const Delivery& delivery, std::uint8_t qos) {
  socketio::Frame& frame = variants_[qos];
  if (!frame) {
    std::string bytes(delivery.frame.websocket_bytes());
    bytes[delivery.qos_place] = static_cast<char>('0' + qos);
    frame = socketio::Frame(SharedBytes(bytes));
  }
  return frame;
}

void Worker::on_queue_drained(socketio::SocketId socket) {
  Client* client = find(socket);
  if (!client || client->dropped == 0) return;
  const std::uint64_t count = std::exchange(client->dropped, 0);
  server_.emit(socket, socketio::make_event_frame(kNamespace, "mqtt:dropped", fmt::format("{{\"count\":{}}}", count)));
}

void Worker::emit_or_close(socketio::SocketId socket, const socketio::Frame& frame, Now now,
                           socketio::Effects& effects) {
  if (server_.emit(socket, frame) != socketio::EmitResult::full) return;
  ++counters_.slow_consumers;
  server_.close_transport(socket, socketio::DisconnectReason::slow_consumer, now, effects);
}

}  // namespace famemely::gateway
