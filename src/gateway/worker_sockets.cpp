/// The part of a worker that shows its sockets to administrators, and disconnects them.

#include <utility>

#include "gateway/message_event.hpp"
#include "gateway/worker.hpp"

namespace famemely::gateway {

std::vector<std::string> Worker::filters_of(const Client& client) const {
  std::vector<std::string> filters;
  const auto list = [&](const mqtt::TopicFilter& filter) {
    if (filters.size() < kListedFiltersMax && filter.text().size() <= kListedFilterBytesMax)
      filters.push_back(filter.text());
  };
  for (const Subscription& own : client.subscriptions) list(own.filter);
  for (const auto& of_user : user_subscriptions(client))
    if (!client.find(of_user->filter)) list(of_user->filter);
  return filters;
}

void Worker::list_sockets(Survey& part) {
  part.connections = server_.connection_count();
  part.polling_connections = server_.polling_connection_count();
  part.traffic = server_.traffic();
  for (const socketio::SocketId socket : server_.sockets()) {
    const Client* client = find(socket);
    if (!client) {
      ++part.administrators;  // nobody else joins a namespace without being a client
      continue;
    }
    if (part.sockets.size() == kListedSocketsMax) continue;
    socketio::HandshakeInfo handshake = server_.handshake(socket);
    part.sockets.push_back({.sid = server_.sid(socket),
                            .user_id = client->identity->user_id,
                            .roles = client->identity->roles,
                            .filters = filters_of(*client),
                            .transport = *server_.transport(socket),
                            .remote_address = std::move(handshake.remote_address),
                            .origin = std::move(handshake.origin),
                            .joined_at = server_.joined_at(socket)});
  }
}

void Worker::disconnect_anywhere(std::string sid, bool close_connection, std::string by) {
  commands_.emplace_back(DisconnectCommand{options_.index, std::move(sid), close_connection, std::move(by)});
}

bool Worker::disconnect_here(const DisconnectWanted& wanted, Now now, socketio::Effects& effects) {
  std::optional<socketio::SocketId> found;
  for_each_client([&](const Client& client) {
    if (server_.sid(client.socket) == wanted.sid) found = client.socket;
  });
  if (!found) return false;
  disconnect(*found, wanted.close_connection, now, effects);
  return true;
}

/// By a DISCONNECT packet.
void Worker::disconnect(socketio::SocketId socket, bool close_connection, Now now, socketio::Effects& effects) {
  Client& client = *find(socket);
  if (client.pid) end_session(*std::exchange(client.pid, std::nullopt));  // nobody gets that back
  if (!close_connection) return server_.disconnect(socket, now, effects);
  // What is queued still leaves before the connection is closed.
  server_.emit(socket, socketio::make_disconnect_frame(kNamespace));
  server_.close_transport(socket, socketio::DisconnectReason::server_namespace_disconnect, now, effects);
}

RequestId Worker::end_sessions(Whose whose) {
  const RequestId request = ++last_request_;
  awaited_.insert(request);
  commands_.emplace_back(EndSessionsCommand{options_.index, request, std::move(whose)});
  return request;
}

void Worker::on_end_sessions(const EndSessions& wanted, Now now, socketio::Effects& effects) {
  const Whose& whose = *wanted.whose;
  std::vector<socketio::SocketId> sockets;
  for_each_client([&](const Client& client) {
    if (whose.is(client.identity->user_id, client.identity->session_id)) sockets.push_back(client.socket);
  });
  for (const socketio::SocketId socket : sockets) disconnect(socket, true, now, effects);
  // Those that wait for the session they had: refused, they stay away as well.
  for (auto& [request, ask] : recover_asks_) {
    if (ask.ended || !whose.is(ask.identity->user_id, ask.identity->session_id)) continue;
    ask.ended = true;
    if (!server_.transport(ask.socket)) continue;
    server_.refuse(ask.socket, "Disconnected by an administrator", R"({"statusCode":403})");
    sockets.push_back(ask.socket);
  }
  std::vector<socketio::Sid> kept;
  for (const auto& [pid, place] : sessions_)
    if (place.kept && whose.is(place.kept->user_id, place.kept->session_id)) kept.push_back(pid);
  for (const socketio::Sid& pid : kept) end_kept(pid);
  commands_.emplace_back(EndSessionsReply{options_.index, wanted.ending, sockets.size()});
}

}  // namespace famemely::gateway
