#include "socketio/node.hpp"

namespace famemely::socketio {

bool Node::send(Socket& socket, const Frame& frame, bool is_volatile) {
  if (!socket.connected_) return false;
  if (is_volatile && server_.queued_bytes(socket.socket_) > 0) return false;
  switch (server_.emit(socket.socket_, frame)) {
    case EmitResult::queued:
      return true;
    case EmitResult::gone:
      return false;
    case EmitResult::full:
      if (!is_volatile) server_.close_transport(socket.socket_, DisconnectReason::slow_consumer, now_, *effects_);
      return false;
  }
  return false;
}

bool Node::emit(Socket& socket, std::string_view name, const Values& values, bool is_volatile) {
  if (!socket.connected_ && !socket.session_) return false;
  if (!socket.takes_offsets_) return send(socket, encode_event(socket.nsp_.name_, name, values), is_volatile);
  const EventNumber event = next_event();
  const Frame frame = encode(socket.nsp_.name_, name, values, true, event);
  const bool sent = send(socket, frame, is_volatile);
  if (socket.session_ && (sent || !is_volatile))
    log_.add({event, frame}, {*socket.session_}, now_.instant, log_limits());
  return sent;
}

void Node::broadcast(const Broadcast& broadcast, const Selected& selected) {
  std::vector<Sessions::Number> recipients;
  if (!broadcast.is_volatile) recipients = selected.kept;
  Frame plain;  // for those who want no offsets
  for (Socket* socket : selected.sockets) {
    const bool as_it_is = broadcast.event == 0 || socket->takes_offsets_;
    if (!as_it_is && !plain) {
      plain = without_offset(broadcast.frame);
      if (!broadcast.frame.may_be_compressed()) plain = plain.uncompressed();
    }
    const bool sent = send(*socket, as_it_is ? broadcast.frame : plain, broadcast.is_volatile);
    if (socket->session_ && (sent || !broadcast.is_volatile)) recipients.push_back(*socket->session_);
  }
  if (broadcast.event != 0)
    log_.add({broadcast.event, broadcast.frame}, std::move(recipients), now_.instant, log_limits());
}

void Node::ask(Socket& socket, std::string_view name, const Values& values, AckCallback callback,
               std::optional<Duration> timeout) {
  const auto ack_id = socket.connected_ && values.unambiguous() ? server_.next_ack_id(socket.socket_) : std::nullopt;
  if (!ack_id) {
    deferred_.emplace_back(
        [this, call = std::move(callback)] { guard("acknowledgement", [&] { call(failure(AckError::not_sent)); }); });
    return;
  }
  Socket::PendingAck& pending = socket.acks_[*ack_id];
  pending.callback = std::move(callback);
  if (timeout)
    pending.timer = timers_.add(now_.instant + *timeout, [this, id = socket.socket_, number = *ack_id] {
      Socket* late = find(id);
      if (!late) return;
      server_.forget_ack(id, number);
      finish_ack(*late, number, failure(AckError::timed_out));
    });
  // If it can't be sent the socket is about to go, and tells the callback.
  send(socket, encode_event(socket.nsp_.name_, name, values, true, ack_id), false);
}

void Node::on_ack(AckReceived& ack) {
  if (Socket* socket = find(ack.socket))
    finish_ack(*socket, ack.ack_id, Arguments(std::move(ack.args), std::move(ack.attachments)));
}

void Node::finish_ack(Socket& socket, std::uint32_t ack_id, const Result<Arguments, AckError>& outcome) {
  const auto found = socket.acks_.find(ack_id);
  if (found == socket.acks_.end()) return;
  const Socket::PendingAck pending = std::move(found->second);
  socket.acks_.erase(found);
  if (pending.timer) timers_.cancel(*pending.timer);
  if (pending.shared)
    tell_node(pending.origin,
              AckGiven{ack_id, socket.id_, outcome ? std::optional<Arguments>(*outcome) : std::nullopt});
  else
    guard("acknowledgement", [&] { pending.callback(outcome); });
}

void Node::answer(SocketId id, std::uint64_t ack_id, const Values& values) {
  Socket* socket = find(id);
  if (!socket || !socket->connected_) return;
  const auto attachments = values.attachment_views();
  if (server_.reply(id, ack_id, values.json(), attachments) == EmitResult::full)
    server_.close_transport(id, DisconnectReason::slow_consumer, now_, *effects_);
}

void Node::disconnect(Socket& socket, bool close) {
  if (socket.session_) end_session(*socket.session_);
  if (close) {
    server_.close_transport(socket.socket_, DisconnectReason::server_namespace_disconnect, now_, *effects_);
  } else if (socket.connected_) {
    server_.disconnect(socket.socket_, now_, *effects_);
  }
  socket.connected_ = false;
}

}  // namespace famemely::socketio
