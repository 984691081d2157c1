/// The part of the server that lets clients into namespaces, and out of them.

#include <algorithm>
#include <utility>

#include "protocol/socketio/server.hpp"

namespace famemely::socketio {
namespace {

/// Namespaces of the application's choice that may be in use at once, and sockets that one connection may have.
constexpr std::size_t kDynamicNamespacesMax = 10'000;
constexpr std::size_t kSocketsPerConnectionMax = 100;
constexpr std::size_t kDynamicNamespaceBytesMax = 256;
constexpr std::size_t kOffsetBytesMax = 64;

/// True if this and a CONNECT packet go out in one polling answer or one write.
bool leaves_in_one_piece(std::span<const Frame> frames, Transport transport) {
  constexpr std::size_t kBytesMax = 16'000;
  constexpr std::size_t kPollingPacketsMax = 15;
  constexpr std::size_t kWebSocketFramesMax = 48;
  if (frames.size() > kWebSocketFramesMax) return false;
  std::size_t bytes = 0;
  std::size_t packets = 0;
  for (const Frame& frame : frames) {
    bytes += frame.size();
    if (bytes > kBytesMax) return false;
    for (std::string_view rest = frame.websocket_bytes(); !rest.empty(); ++packets)
      rest.remove_prefix(websocket::first_own_frame(rest).frame_bytes);
  }
  return transport == Transport::websocket || packets <= kPollingPacketsMax;
}

/// The members `pid` and `offset` of a CONNECT packet's payload.
std::optional<RecoveryRequest> recovery_request(std::string_view auth_json) {
  if (auth_json.find("\"pid\"") == std::string_view::npos) return std::nullopt;  // nearly all
  const auto auth = JsonView::parse(auth_json);
  const auto pid = auth ? auth->find("pid") : std::nullopt;
  const auto offset = auth ? auth->find("offset") : std::nullopt;
  if (!pid || !offset) return std::nullopt;
  const auto pid_text = pid->as_string();
  auto offset_text = offset->as_string();
  if (!pid_text || !offset_text || offset_text->size() > kOffsetBytesMax) return std::nullopt;
  const auto parsed = engineio::Sid::parse(*pid_text);
  if (!parsed) return std::nullopt;
  return RecoveryRequest{*parsed, *std::move(offset_text)};
}

}  // namespace

void Server::on_connect(engineio::SessionId session, const Packet& packet, std::uint32_t existing, Now now,
                        Effects& effects) {
  if (existing != kNone) {
    close_session(session, DisconnectReason::forced_close, now, effects);
    return;
  }
  if (!engine_.has_room(session, 0)) {
    // The answer will be queued whether there is room or not: whoever reads none must not make us queue them for ever.
    close_session(session, DisconnectReason::slow_consumer, now, effects);
    return;
  }
  Client& client = clients_[session.slot];
  const auto refuse = [&](const std::string& message) {
    engine_.send_anyway(session, make_connect_error_frame(packet.nsp, message, R"({"statusCode":429})"));
    effects.for_application.emplace_back(ConnectRefused{std::string(client.handshake.remote_address()), message});
  };
  const bool first = !std::exchange(client.has_tried, true);
  if (client.refusals >= refusals_max_) {
    count(limit_counters_, Limit::refusals_per_connection);
    refuse("Too many refused attempts: a connection may have " + std::to_string(refusals_max_) + " in a row");
    close_session(session, DisconnectReason::forced_close, now, effects);
    return;
  }
  // The first has been counted with the request that opened the connection.
  if (!first && admission_) {
    if (const auto refusal = admission_->refuse_request(client.handshake.remote_address(), now.instant)) {
      ++client.refusals;
      return refuse(refusal->message);
    }
  }
  std::size_t sockets = 0;
  for (std::uint32_t other = client.first_socket; other != kNone; other = sockets_[other].next) ++sockets;
  const auto nsp = sockets < kSocketsPerConnectionMax ? intern(packet.nsp) : std::nullopt;
  if (!nsp) {
    const Frame refusal = make_connect_error_frame(packet.nsp, "Invalid namespace");
    if (engine_.send(session, refusal) == engineio::SendResult::full)
      close_session(session, DisconnectReason::slow_consumer, now, effects);
    return;
  }
  const std::uint32_t slot = add_socket(session, *nsp);
  effects.for_application.emplace_back(ConnectRequested{id_of(slot), namespaces_[*nsp], std::string(packet.json),
                                                        client.handshake.info(), engine_.transport(session),
                                                        recovery_request(packet.json)});
}

void Server::on_connect_timeout(std::uint32_t slot, Now now, Effects& effects) {
  if (is_anywhere(slot)) return;
  count(limit_counters_, Limit::no_connect);
  close_session(engine_.session_at(slot), DisconnectReason::forced_close, now, effects);
}

std::optional<std::uint16_t> Server::intern(std::string_view nsp) {
  const auto known =
      std::find(namespaces_.begin(), namespaces_.begin() + static_cast<std::ptrdiff_t>(static_namespaces_), nsp);
  const auto place = static_cast<std::size_t>(known - namespaces_.begin());
  if (place < static_namespaces_) return static_cast<std::uint16_t>(place);
  if (!dynamic_namespaces_ || nsp.size() > kDynamicNamespaceBytesMax) return std::nullopt;
  std::string name(nsp);
  if (const auto found = dynamic_numbers_.find(name); found != dynamic_numbers_.end()) return found->second;
  if (dynamic_numbers_.size() >= kDynamicNamespacesMax) return std::nullopt;
  if (free_namespaces_.empty()) {
    free_namespaces_.push_back(static_cast<std::uint16_t>(namespaces_.size()));
    namespaces_.emplace_back();
    namespace_uses_.push_back(0);
  }
  const std::uint16_t number = free_namespaces_.back();
  free_namespaces_.pop_back();
  namespaces_[number] = name;
  dynamic_numbers_.emplace(std::move(name), number);
  return number;
}

std::uint32_t Server::add_socket(engineio::SessionId session, std::uint16_t nsp) {
  std::uint32_t slot;
  if (free_sockets_.empty()) {
    slot = static_cast<std::uint32_t>(sockets_.size());
    sockets_.emplace_back();
  } else {
    slot = free_sockets_.back();
    free_sockets_.pop_back();
  }
  Socket& socket = sockets_[slot];
  socket.session = session;
  socket.nsp = nsp;
  ++namespace_uses_[nsp];
  socket.state = SocketState::pending;
  socket.next = std::exchange(clients_[session.slot].first_socket, slot);
  return slot;
}

void Server::free_socket(std::uint32_t slot) {
  std::uint32_t* link = &clients_[sockets_[slot].session.slot].first_socket;
  while (*link != slot) link = &sockets_[*link].next;
  *link = sockets_[slot].next;
  const std::uint16_t nsp = sockets_[slot].nsp;
  if (--namespace_uses_[nsp] == 0 && nsp >= static_namespaces_) {
    dynamic_numbers_.erase(namespaces_[nsp]);
    namespaces_[nsp].clear();
    free_namespaces_.push_back(nsp);
  }
  const std::uint32_t generation = sockets_[slot].generation;
  sockets_[slot] = Socket();
  sockets_[slot].generation = generation + 1;
  free_sockets_.push_back(slot);
}

void Server::accept(SocketId id, Now now, Effects&, const Acceptance& acceptance) {
  Socket* socket = find(id);
  if (!socket || socket->state != SocketState::pending) return;
  socket->state = SocketState::joined;
  socket->sid = acceptance.sid ? *acceptance.sid : engineio::Sid::make(random_, owner_);
  socket->joined_at = now.wall;
  connect_timeouts_.cancel(socket->session.slot);
  clients_[socket->session.slot].refusals = 0;
  const auto send_missed = [&] {
    for (const Frame& frame : acceptance.missed) engine_.send_uncounted(socket->session, frame);
  };
  const bool arrives_whole = engine_.queued_bytes(socket->session) == 0 &&
                             leaves_in_one_piece(acceptance.missed, engine_.transport(socket->session));
  if (arrives_whole) send_missed();
  engine_.send_anyway(socket->session, make_connect_frame(namespaces_[socket->nsp], socket->sid.text(),
                                                          acceptance.pid ? acceptance.pid->text() : std::string()));
  if (!arrives_whole) send_missed();
}

void Server::refuse(SocketId id, std::string_view message, std::string_view data_json) {
  const Socket* socket = find(id);
  if (!socket || socket->state != SocketState::pending) return;
  engine_.send_anyway(socket->session, make_connect_error_frame(namespaces_[socket->nsp], message, data_json));
  ++clients_[socket->session.slot].refusals;
  free_socket(id.slot);
}

std::optional<engineio::Admission::Refusal> Server::refuse_attempt(SocketId id, Instant now) {
  return admission_ ? admission_->refuse_request(handshake(id).remote_address, now) : std::nullopt;
}

void Server::note_attempt(SocketId id, bool good, Now now, Effects& effects) {
  const Socket* socket = find(id);
  if (!socket) return;
  std::uint32_t& refusals = clients_[socket->session.slot].refusals;
  refusals = good ? 0 : refusals + 1;
  if (refusals <= refusals_max_) return;
  count(limit_counters_, Limit::refusals_per_connection);
  close_transport(id, DisconnectReason::forced_close, now, effects);
}

void Server::disconnect(SocketId id, Now now, Effects& effects) {
  const Socket* socket = find(id);
  if (!socket) return;
  engine_.send_anyway(socket->session, make_disconnect_frame(namespaces_[socket->nsp]));
  leave(id.slot, DisconnectReason::server_namespace_disconnect, now.instant, effects);
}

void Server::leave(std::uint32_t slot, DisconnectReason reason, Instant now, Effects& effects) {
  const std::uint32_t session_slot = sockets_[slot].session.slot;
  const bool joined = sockets_[slot].state == SocketState::joined;
  effects.for_application.emplace_back(gone(slot, reason));
  free_socket(slot);
  if (!joined)
    ++clients_[session_slot].refusals;  // whoever leaves before the answer may have got none that is good
  else if (!is_anywhere(session_slot))
    connect_timeouts_.set(session_slot, now + connect_timeout_);
}

bool Server::is_anywhere(std::uint32_t session_slot) const {
  for (std::uint32_t slot = clients_[session_slot].first_socket; slot != kNone; slot = sockets_[slot].next)
    if (sockets_[slot].state == SocketState::joined) return true;
  return false;
}

SocketDisconnected Server::gone(std::uint32_t slot, DisconnectReason reason) const {
  const Socket& socket = sockets_[slot];
  return {id_of(slot), reason, socket.sid, std::string(clients_[socket.session.slot].handshake.remote_address())};
}

}  // namespace famemely::socketio
