#include "socketio/emitter.hpp"

#include "socketio/node.hpp"

namespace famemely::socketio {

Emitter Emitter::to(std::string room) const {
  Emitter other = *this;
  other.selection_.rooms.push_back(std::move(room));
  return other;
}

Emitter Emitter::except(std::string room) const {
  Emitter other = *this;
  other.selection_.except.push_back(std::move(room));
  return other;
}

Emitter Emitter::local() const {
  Emitter other = *this;
  other.local_ = true;
  return other;
}

Emitter Emitter::as_volatile() const {
  Emitter other = *this;
  other.volatile_ = true;
  return other;
}

Emitter Emitter::compress(bool on) const {
  Emitter other = *this;
  other.compress_ = on;
  return other;
}

Emitter Emitter::timeout(Duration duration) const {
  Emitter other = *this;
  other.timeout_ = duration;
  return other;
}

void Emitter::tell(NodeMessage message) const { node_->tell(std::move(message), local_); }

void Emitter::emit_values(std::string_view name, const Values& values) const {
  if (!values.unambiguous()) return;
  tell(Broadcast{selection_, encode_event(selection_.nsp, name, values, compress_), volatile_, {}, node_->id(), {}});
}

void Emitter::emit_with_ack(std::string_view name, const Values& values, BroadcastCallback callback) const {
  if (!values.unambiguous()) return;
  const RequestNumber request = node_->await_acks(local_, timeout_, std::move(callback));
  tell(Broadcast{selection_, encode_event(selection_.nsp, name, values, compress_, request), volatile_, request,
                 node_->id(), timeout_});
}

void Emitter::fetch_sockets(FetchCallback callback) const {
  tell(FetchSockets{selection_, node_->await_sockets(local_, timeout_, std::move(callback)), node_->id()});
}

void Emitter::sockets_join(std::vector<std::string> rooms) const {
  tell(RoomChange{selection_, std::move(rooms), true});
}

void Emitter::sockets_leave(std::vector<std::string> rooms) const {
  tell(RoomChange{selection_, std::move(rooms), false});
}

void Emitter::disconnect_sockets(bool close) const { tell(DisconnectSockets{selection_, close}); }

}  // namespace famemely::socketio
