#include "socketio/node.hpp"

namespace famemely::socketio {
namespace {

/// A request's number doubles as an acknowledgement id: `01`, 8 bits for the node, 22 bits that count.
constexpr RequestNumber kCountMask = 0x3FFFFF;
constexpr int kCountBits = 22;

}  // namespace

void Node::tell(NodeMessage message, bool local) {
  if (local)
    on_message(message);
  else
    adapter_->publish(std::move(message));
}

void Node::tell_node(NodeId node, NodeMessage message) {
  if (node == id())
    on_message(message);
  else
    adapter_->send(node, std::move(message));
}

void Node::on_message(const NodeMessage& message) {
  if (!moves_.empty()) note(message);
  std::visit([&](const auto& told) { on(told); }, message);
}

RequestNumber Node::next_request() {
  last_request_ = (last_request_ + 1) & kCountMask;
  return kSharedAckIds | static_cast<RequestNumber>(id()) << kCountBits | last_request_;
}

// --- questions of this node ---

RequestNumber Node::await_acks(bool local, Duration timeout, BroadcastCallback callback) {
  const RequestNumber request = next_request();
  acks_.begin(request, local ? 1 : adapter_->node_count(), std::move(callback));
  timers_.add(now_.instant + timeout, [this, request] { finish_broadcast(request); });
  return request;
}

RequestNumber Node::await_sockets(bool local, Duration timeout, FetchCallback callback) {
  const RequestNumber request = next_request();
  const Timers::Id timer = timers_.add(now_.instant + timeout, [this, request] { finish_fetch(request); });
  fetches_.insert_or_assign(request, Fetch{local ? 1 : adapter_->node_count(), {}, std::move(callback), timer});
  return request;
}

void Node::finish_broadcast(RequestNumber request) {
  auto taken = acks_.take(request);
  if (!taken) return;
  deferred_.emplace_back(
      [this, done = *std::move(taken)] { guard("acknowledgements", [&] { done.second(done.first); }); });
}

void Node::finish_fetch(RequestNumber request) {
  const auto found = fetches_.find(request);
  if (found == fetches_.end()) return;
  timers_.cancel(found->second.timer);
  deferred_.emplace_back(
      [this, done = std::move(found->second)] { guard("fetch_sockets", [&] { done.callback(done.sockets); }); });
  fetches_.erase(found);
}

void Node::on(const AcksExpected& expected) {
  if (acks_.on_expected(expected)) finish_broadcast(expected.request);
}

void Node::on(const AckGiven& given) {
  if (acks_.on_given(given)) finish_broadcast(given.request);
}

void Node::on(const SocketsFetched& fetched) {
  const auto found = fetches_.find(fetched.request);
  if (found == fetches_.end()) return;
  found->second.sockets.insert(found->second.sockets.end(), fetched.sockets.begin(), fetched.sockets.end());
  if (--found->second.nodes_due == 0) finish_fetch(fetched.request);
}

// --- what any node wants of this one's sockets ---

Node::Selected Node::select(const Selection& selection) const {
  const auto nsp = namespaces_.find(selection.nsp);
  Selected selected;
  if (nsp == namespaces_.end()) return selected;
  for (const Rooms::Member member : nsp->second->rooms_.select(selection.rooms, selection.except)) {
    if (member >= Sessions::kFirst)
      selected.kept.push_back(member);
    else if (Socket& socket = *sockets_[member]; socket.connected_)
      selected.sockets.push_back(&socket);
    else if (socket.session_)  // its connection has dropped, and its handlers are being told
      selected.kept.push_back(*socket.session_);
  }
  return selected;
}

void Node::on(const Broadcast& broadcast) {
  Selected selected = select(broadcast.to);
  if (broadcast.ack_id) {
    std::erase_if(selected.sockets,
                  [&](Socket* socket) { return !server_.expect_ack(socket->socket_, *broadcast.ack_id); });
    await_shared_acks(broadcast, selected.sockets);
  }
  this->broadcast(broadcast, selected);
}

void Node::await_shared_acks(const Broadcast& broadcast, const std::vector<Socket*>& sockets) {
  const RequestNumber request = *broadcast.ack_id;
  AcksExpected expected{request, {}};
  std::vector<SocketId> asked;
  for (Socket* socket : sockets) {
    socket->acks_[request] = {.callback = {}, .timer = {}, .shared = true, .origin = broadcast.origin};
    expected.sids.push_back(socket->id_);
    asked.push_back(socket->socket_);
  }
  tell_node(broadcast.origin, std::move(expected));
  if (asked.empty()) return;
  // By then the origin has stopped waiting.
  timers_.add(now_.instant + broadcast.ack_timeout, [this, request, asked = std::move(asked)] {
    for (const SocketId id : asked) {
      server_.forget_ack(id, request);
      if (Socket* socket = find(id)) socket->acks_.erase(request);
    }
  });
}

void Node::on(const RoomChange& change) {
  const Selected selected = select(change.of);
  for (const std::string& room : change.rooms) {
    for (Socket* socket : selected.sockets) {
      if (change.join)
        socket->join(room);
      else
        socket->leave(room);
    }
    for (const Sessions::Number number : selected.kept) change_room(number, room, change.join);
  }
}

void Node::on(const DisconnectSockets& wanted) {
  const Selected selected = select(wanted.of);
  for (const Sessions::Number number : selected.kept) end_session(number);
  for (Socket* socket : selected.sockets) disconnect(*socket, wanted.close);
}

void Node::on(const FetchSockets& fetch) {
  SocketsFetched fetched{fetch.request, {}};
  for (Socket* socket : select(fetch.of).sockets)
    fetched.sockets.push_back({socket->id_, socket->handshake_, socket->rooms(), socket->data_});
  tell_node(fetch.asker, std::move(fetched));
}

void Node::on(const ServerEvent& event) {
  if (event.origin == id()) return;
  deferred_.emplace_back([this, event] {
    Namespace& nsp = of(event.nsp);
    if (!nsp.definition_) nsp.definition_ = definitions_.find(event.nsp, "");
    if (!nsp.definition_) return;
    for (const auto& [name, handler] : nsp.definition_->server_events_)
      if (name == event.name) guard(name, [&, &call = handler] { call(nsp, event.args); });
  });
}

void Node::on(const Overrun&) {
  end_sessions();  // they have missed what nobody knows
  logger_.error("node overrun, closing its connections", {{"connections", server_.connection_count()}});
  server_.close_all(DisconnectReason::forced_close, now_, *effects_);
}

}  // namespace famemely::socketio
