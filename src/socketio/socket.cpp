#include "socketio/socket.hpp"

#include "socketio/namespace.hpp"
#include "socketio/node.hpp"

namespace famemely::socketio {

void Reply::send(const Values& values) const {
  const auto ack_id = std::exchange(state_->ack_id, std::nullopt);
  if (!ack_id || !values.unambiguous()) return;
  state_->node->answer(state_->socket, *ack_id, values);
}

Socket::Socket(Node& node, Namespace& nsp, SocketId socket, Handshake handshake)
    : node_(node), nsp_(nsp), socket_(socket), handshake_(std::move(handshake)) {}

std::optional<std::string> Socket::auth(std::string_view key) const {
  const auto auth = JsonView::parse(handshake_.auth_json);
  const auto value = auth ? auth->find(key) : std::nullopt;
  return value ? value->as_string() : std::nullopt;
}

std::optional<Transport> Socket::transport() const { return node_.server_.transport(socket_); }

void Socket::add_handler(std::string name, EventHandler handler, bool once) {
  handlers_[std::move(name)].push_back({std::make_shared<const EventHandler>(std::move(handler)), once});
}

void Socket::dispatch(const std::string& name, const Arguments& args, const Reply& reply) {
  // Handlers may add and remove handlers, so copies are called.
  for (const AnyEventHandler& handler : std::vector(any_)) node_.guard(name, [&] { handler(name, args); });
  const auto found = handlers_.find(name);
  if (found == handlers_.end()) return;
  const std::vector<Handler> due = found->second;
  if (std::erase_if(found->second, [](const Handler& handler) { return handler.once; }) > 0 && found->second.empty())
    handlers_.erase(found);
  for (const Handler& handler : due) node_.guard(name, [&] { (*handler.call)(args, reply); });
}

bool Socket::send(std::string_view name, const Values& values, bool is_volatile) {
  return values.unambiguous() && node_.send(*this, encode_event(nsp_.name(), name, values), is_volatile);
}

bool Socket::emit_values(std::string_view name, const Values& values) { return send(name, values, false); }

void Socket::emit_with_ack(std::string_view name, const Values& values, AckCallback callback,
                           std::optional<Duration> timeout) {
  node_.ask(*this, name, values, std::move(callback), timeout);
}

Emitter Socket::broadcast() const { return {node_, Selection{nsp_.name(), {}, {id_}}}; }

void Socket::join(const std::string& room) {
  if (connected_) nsp_.rooms_.join(socket_.slot, room);
}

void Socket::leave(const std::string& room) { nsp_.rooms_.leave(socket_.slot, room); }

std::vector<std::string> Socket::rooms() const { return nsp_.rooms_.rooms_of(socket_.slot); }

void Socket::disconnect(bool close) { node_.disconnect(*this, close); }

}  // namespace famemely::socketio
