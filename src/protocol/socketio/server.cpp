#include "protocol/socketio/server.hpp"

#include <algorithm>
#include <utility>

namespace famemely::socketio {
namespace {

/// Acknowledgements that may be due from one socket.
constexpr std::size_t kAcksDueMax = 1000;
/// Java's client keeps the ids of acknowledgements in an `int`: they and the shared ones stay below 2^31.
constexpr std::uint32_t kOwnAckIdMax = kSharedAckIds - 1;
constexpr std::uint16_t kCloseSlowConsumer = 4008;

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

engineio::Options engine_options(const Options& options) {
  return {.path = options.path,
          .ping_interval = options.ping_interval,
          .ping_timeout = options.ping_timeout,
          .upgrade_timeout = options.upgrade_timeout,
          .message_bytes_max = options.message_bytes_max,
          .client_queue_bytes_max = options.client_queue_bytes_max,
          .polling = options.polling,
          .websocket = options.websocket,
          .http_compression_bytes_min = options.http_compression_bytes_min,
          .websocket_compression_bytes_min = options.websocket_compression_bytes_min,
          .owner = options.owner,
          .admission = options.admission,
          .limit_counters = options.limit_counters};
}

DisconnectReason reason_of(engineio::CloseReason reason) {
  switch (reason) {
    case engineio::CloseReason::transport_close:
      return DisconnectReason::transport_close;
    case engineio::CloseReason::transport_error:
      return DisconnectReason::transport_error;
    case engineio::CloseReason::ping_timeout:
      return DisconnectReason::ping_timeout;
    case engineio::CloseReason::parse_error:
      return DisconnectReason::parse_error;
    case engineio::CloseReason::forced_close:
      return DisconnectReason::forced_close;
  }
  return DisconnectReason::forced_close;
}

EmitResult result_of(engineio::SendResult result) {
  switch (result) {
    case engineio::SendResult::queued:
      return EmitResult::queued;
    case engineio::SendResult::full:
      return EmitResult::full;
    case engineio::SendResult::gone:
      return EmitResult::gone;
  }
  return EmitResult::gone;
}

/// The elements of an array's text from this one on, as texts of their own.
std::vector<std::string> arguments(const std::vector<JsonView>& elements, std::size_t from) {
  std::vector<std::string> args;
  args.reserve(elements.size() - std::min(from, elements.size()));
  for (std::size_t i = from; i < elements.size(); ++i) args.emplace_back(elements[i].raw());
  return args;
}

}  // namespace

Server::Server(const Options& options, RandomSource& random)
    : random_(random),
      namespaces_(options.namespaces),
      static_namespaces_(options.namespaces.size()),
      dynamic_namespaces_(options.dynamic_namespaces),
      namespace_uses_(options.namespaces.size()),
      connect_timeout_(options.connect_timeout),
      refusals_max_(options.refusals_max),
      message_bytes_max_(options.message_bytes_max),
      owner_(options.owner),
      admission_(options.admission),
      limit_counters_(options.limit_counters),
      engine_(engine_options(options), random),
      connect_timeouts_(engineio::TimerWheel::tick_for(options.connect_timeout)) {}

bool Server::serves(std::string_view path) const { return engine_.serves(path); }

std::optional<std::uint8_t> Server::owner_of(const HttpRequest& request) { return engineio::Server::owner_of(request); }

bool Server::on_request_started(ConnectionId connection, const HttpRequest& head, Now now, Effects& effects) {
  const bool wanted = engine_.on_request_started(connection, head, now, effects.for_io);
  drain(now, effects);
  return wanted;
}

void Server::on_request_abandoned(ConnectionId connection) { engine_.on_request_abandoned(connection); }

void Server::on_request(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) {
  note_origin(request);
  engine_.on_request(connection, request, now, effects.for_io);
  drain(now, effects);
}

/// A page's GETs to its own host carry no Origin, its POSTs and WebSockets do (Fetch standard, "append a request
/// `Origin` header"): so a session is a browser's once any of its requests says so, not by the first alone.
void Server::note_origin(const HttpRequest& request) {
  const std::string_view origin = request.origin();
  if (origin.empty()) return;
  const auto session = engine_.session_of(request);
  if (!session || session->slot >= clients_.size()) return;
  PackedHandshake& kept = clients_[session->slot].handshake;
  HandshakeInfo info = kept.info();
  if (!info.origin.empty()) return;
  info.origin = origin;
  kept = PackedHandshake(info);
}

void Server::on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) {
  note_origin(request);
  engine_.on_upgrade(connection, request, now, effects.for_io);
  drain(now, effects);
}

void Server::on_websocket_bytes(ConnectionId connection, std::span<char> bytes, Now now, Effects& effects) {
  engine_.on_websocket_bytes(connection, bytes);
  drain(now, effects);
}

void Server::on_disconnected(ConnectionId connection, Now now, Effects& effects) {
  engine_.on_disconnected(connection, now, effects.for_io);
  drain(now, effects);
}

std::size_t Server::gather(ConnectionId connection, std::span<engineio::Piece> pieces) const {
  return engine_.gather(connection, pieces);
}

bool Server::wrote(ConnectionId connection, std::size_t bytes, Now now, Effects& effects) {
  const bool more = engine_.wrote(connection, bytes, effects.for_io);
  drain(now, effects);
  return more;
}

void Server::on_timer(Now now, Effects& effects) {
  engine_.on_timer(now, effects.for_io);
  drain(now, effects);
  while (const auto due = connect_timeouts_.take_due(now.instant)) on_connect_timeout(due->id, now, effects);
  drain(now, effects);
}

Instant Server::next_deadline() const { return std::min(engine_.next_deadline(), connect_timeouts_.next()); }

void Server::end_of_turn(Now now, Effects& effects) {
  engine_.end_of_turn(now, effects.for_io);
  drain(now, effects);
}

void Server::drain(Now now, Effects& effects) {
  while (const auto event = engine_.next(now, effects.for_io)) {
    std::visit(Overloaded{[&](const engineio::SessionOpened& opened) { on_session_opened(opened, now); },
                          [&](const engineio::MessageReceived& message) { on_message(message, now, effects); },
                          [&](const engineio::SessionClosed& closed) {
                            drop_sockets(closed.session.slot, reason_of(closed.reason), effects);
                            connect_timeouts_.cancel(closed.session.slot);
                            clients_[closed.session.slot] = Client();
                          },
                          [&](const engineio::SessionDrained& drained) { on_drained(drained.session, effects); }},
               *event);
  }
}

void Server::on_session_opened(const engineio::SessionOpened& opened, Now now) {
  const std::uint32_t slot = opened.session.slot;
  while (clients_.size() <= slot) clients_.emplace_back();
  clients_[slot].handshake = PackedHandshake(opened.handshake);
  connect_timeouts_.set(slot, now.instant + connect_timeout_);
  ++traffic_.connections_opened;
}

void Server::on_message(const engineio::MessageReceived& message, Now now, Effects& effects) {
  ++traffic_.packets_in;
  traffic_.bytes_in += message.data.size();
  Decoder& decoder = clients_[message.session.slot].decoder;
  DecodeResult result =
      message.binary ? decoder.on_binary(message.data, message_bytes_max_) : decoder.on_text(message.data);
  if (auto* decoded = std::get_if<DecodedPacket>(&result)) {
    on_packet(message.session, decoded->packet, std::move(decoded->attachments), now, effects);
  } else if (const auto* fault = std::get_if<DecodeFault>(&result)) {
    if (fault->limit) count(limit_counters_, *fault->limit);
    close_session(message.session, DisconnectReason::forced_close, now, effects,
                  fault->limit == Limit::message_size ? websocket::kCloseTooBig : websocket::kCloseNoStatus);
  }
}

void Server::on_packet(engineio::SessionId session, const Packet& packet, std::vector<std::string> attachments, Now now,
                       Effects& effects) {
  const std::uint32_t slot = find_socket(session.slot, packet.nsp);
  if (packet.type == PacketType::connect) {
    on_connect(session, packet, slot, now, effects);
    return;
  }
  if (slot == kNone || packet.type == PacketType::connect_error) {
    close_session(session, DisconnectReason::forced_close, now, effects);
    return;
  }
  if (packet.type == PacketType::disconnect) {
    // No reply, and the connection stays.
    leave(slot, DisconnectReason::client_namespace_disconnect, now.instant, effects);
    return;
  }
  if (packet.json.empty()) return;
  const auto json = JsonView::parse(packet.json);
  if (!json) return;
  const std::vector<JsonView> elements = json->elements();

  if (packet.type == PacketType::event || packet.type == PacketType::binary_event) {
    const JsonView& name = elements.front();
    effects.for_application.emplace_back(EventReceived{id_of(slot), name.as_string().value_or(std::string(name.raw())),
                                                       arguments(elements, 1), std::move(attachments), packet.ack_id});
    return;
  }
  auto& due = sockets_[slot].acks_due;
  if (!due || !packet.ack_id) return;
  const auto found = std::ranges::find(*due, *packet.ack_id);
  if (found == due->end()) return;
  const std::uint32_t ack_id = *found;
  due->erase(found);
  if (due->empty()) due.reset();
  effects.for_application.emplace_back(
      AckReceived{id_of(slot), ack_id, arguments(elements, 0), std::move(attachments)});
}

void Server::on_drained(engineio::SessionId session, Effects& effects) {
  for (std::uint32_t slot = clients_[session.slot].first_socket; slot != kNone; slot = sockets_[slot].next)
    if (std::exchange(sockets_[slot].tell_when_drained, false))
      effects.for_application.emplace_back(QueueDrained{id_of(slot)});
}

void Server::close_session(engineio::SessionId session, DisconnectReason reason, Now now, Effects& effects,
                           std::uint16_t close_code) {
  drop_sockets(session.slot, reason, effects);
  const bool slow = reason == DisconnectReason::slow_consumer;
  if (slow) count(limit_counters_, Limit::slow_consumer);
  engine_.close(session, engineio::CloseReason::forced_close, now,
                slow ? engineio::Queue::drop : engineio::Queue::flush, slow ? kCloseSlowConsumer : close_code,
                slow ? to_string(reason) : "");
}

void Server::drop_sockets(std::uint32_t session_slot, DisconnectReason reason, Effects& effects) {
  while (clients_[session_slot].first_socket != kNone) {
    const std::uint32_t slot = clients_[session_slot].first_socket;
    effects.for_application.emplace_back(gone(slot, reason));
    free_socket(slot);
  }
}

std::uint32_t Server::find_socket(std::uint32_t session_slot, std::string_view nsp) const {
  std::uint32_t slot = clients_[session_slot].first_socket;
  while (slot != kNone && namespaces_[sockets_[slot].nsp] != nsp) slot = sockets_[slot].next;
  return slot;
}

const Server::Socket* Server::find(SocketId id) const {
  if (id.slot >= sockets_.size()) return nullptr;
  const Socket& socket = sockets_[id.slot];
  return socket.generation == id.generation && socket.state != SocketState::free ? &socket : nullptr;
}

Server::Socket* Server::find(SocketId id) { return const_cast<Socket*>(std::as_const(*this).find(id)); }

EmitResult Server::send(const Socket& socket, const Frame& frame) {
  const EmitResult result = result_of(engine_.send(socket.session, frame));
  if (result == EmitResult::queued) {
    ++traffic_.packets_out;
    traffic_.bytes_out += frame.size();
  }
  return result;
}

EmitResult Server::emit(SocketId id, const Frame& frame) {
  const Socket* socket = find(id);
  if (!socket || socket->state != SocketState::joined) return EmitResult::gone;
  return send(*socket, frame);
}

std::optional<std::uint32_t> Server::next_ack_id(SocketId id) {
  Socket* socket = find(id);
  if (!socket || socket->state != SocketState::joined) return std::nullopt;
  if (!socket->acks_due) socket->acks_due = std::make_unique<std::vector<std::uint32_t>>();
  if (socket->acks_due->size() >= kAcksDueMax) return std::nullopt;
  socket->last_ack_id = (socket->last_ack_id + 1) & kOwnAckIdMax;
  socket->acks_due->push_back(socket->last_ack_id);
  return socket->last_ack_id;
}

bool Server::expect_ack(SocketId id, std::uint32_t ack_id) {
  Socket* socket = find(id);
  if (!socket || socket->state != SocketState::joined || ack_id < kSharedAckIds) return false;
  if (!socket->acks_due) socket->acks_due = std::make_unique<std::vector<std::uint32_t>>();
  if (socket->acks_due->size() >= kAcksDueMax) return false;
  socket->acks_due->push_back(ack_id);
  return true;
}

void Server::forget_ack(SocketId id, std::uint32_t ack_id) {
  Socket* socket = find(id);
  if (!socket || !socket->acks_due) return;
  std::erase(*socket->acks_due, ack_id);
  if (socket->acks_due->empty()) socket->acks_due.reset();
}

EmitResult Server::reply(SocketId id, std::uint64_t ack_id, std::string_view args_json,
                         std::span<const std::string_view> attachments) {
  const Socket* socket = find(id);
  if (!socket || socket->state != SocketState::joined) return EmitResult::gone;
  return send(*socket, make_ack_frame(namespaces_[socket->nsp], ack_id, args_json, attachments));
}

void Server::tell_when_drained(SocketId id) {
  Socket* socket = find(id);
  if (!socket) return;
  socket->tell_when_drained = true;
  engine_.tell_when_drained(socket->session);
}

void Server::close_transport(SocketId id, DisconnectReason reason, Now now, Effects& effects) {
  const Socket* socket = find(id);
  if (!socket) return;
  close_session(socket->session, reason, now, effects);
  drain(now, effects);
}

void Server::close_all(DisconnectReason reason, Now now, Effects& effects) {
  for (const engineio::SessionId session : engine_.sessions()) close_session(session, reason, now, effects);
  drain(now, effects);
}

std::vector<SocketId> Server::sockets_beside(SocketId id) const {
  std::vector<SocketId> found;
  const Socket* socket = find(id);
  if (!socket) return found;
  for (std::uint32_t slot = clients_[socket->session.slot].first_socket; slot != kNone; slot = sockets_[slot].next)
    found.push_back(id_of(slot));
  return found;
}

bool Server::is_receiving(SocketId id) const {
  const Socket* socket = find(id);
  return socket && engine_.is_receiving(socket->session);
}

std::size_t Server::queued_bytes(SocketId id) const {
  const Socket* socket = find(id);
  return socket ? engine_.queued_bytes(socket->session) : 0;
}

std::optional<Transport> Server::transport(SocketId id) const {
  const Socket* socket = find(id);
  if (!socket) return std::nullopt;
  return engine_.transport(socket->session);
}

std::string Server::sid(SocketId id) const {
  const Socket* socket = find(id);
  return socket && socket->state == SocketState::joined ? socket->sid.text() : "";
}

HandshakeInfo Server::handshake(SocketId id) const {
  const Socket* socket = find(id);
  return socket ? clients_[socket->session.slot].handshake.info() : HandshakeInfo{};
}

WallTime Server::joined_at(SocketId id) const {
  const Socket* socket = find(id);
  return socket ? socket->joined_at : WallTime{};
}

std::size_t Server::polling_connection_count() const {
  const std::vector<engineio::SessionId> sessions = engine_.sessions();
  return static_cast<std::size_t>(std::ranges::count_if(
      sessions, [&](const engineio::SessionId session) { return engine_.transport(session) == Transport::polling; }));
}

Traffic Server::traffic() const {
  Traffic traffic = traffic_;
  traffic.connections_closed = traffic.connections_opened - connection_count();
  return traffic;
}

std::vector<SocketId> Server::sockets() const {
  std::vector<SocketId> joined;
  for (std::uint32_t slot = 0; slot < sockets_.size(); ++slot)
    if (sockets_[slot].state == SocketState::joined) joined.push_back(id_of(slot));
  return joined;
}

}  // namespace famemely::socketio
