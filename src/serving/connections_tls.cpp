/// The part of the connections that speaks TLS: what is read goes through the connection's pipe before anything looks
/// at it, and what is written on its way out.

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "serving/connections.hpp"

namespace famemely::serving {
namespace {

/// In clear, because that is what the client understands.
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 80\r\n"
    "Connection: close\r\n\r\n"
    R"({"statusCode":400,"message":"This port speaks HTTPS only","error":"Bad Request"})";

}  // namespace

bool Connections::on_wire_bytes(socketio::ConnectionId id, std::string_view wire) {
  Connection* connection = find(id);
  TlsPipe& tls = *connection->tls;
  const bool handshake = !tls.established();
  std::string clear = std::exchange(clear_, {});
  clear.clear();
  const TlsPipe::State state = tls.receive(wire, clear);
  if (state == TlsPipe::State::failed) {
    if (handshake) count(options_.limit_counters, Limit::tls_handshake);
    logger_.debug("TLS failed",
                  {{"remote", connection->http ? std::string_view(connection->http->remote_address) : "websocket"},
                   {"reason", tls.fault()}});
    const std::string_view last_words = tls.peer_speaks_http() ? kSpeakTls : tls.outgoing();
    if (!connection->write_blocked)
      static_cast<void>(::send(connection->socket.native_handle(), last_words.data(), last_words.size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT));
    end_in_peace(*connection);
    clear_ = std::move(clear);
    return find(id) != nullptr;
  }
  if (!flush_wire(*connection) && !find(id)) return false;
  if (!clear.empty()) on_bytes(id, std::span<char>(clear));
  clear_ = std::move(clear);
  connection = find(id);
  if (!connection) return false;
  if (handshake) flush(*connection);  // what was queued before there was a way
  if (state == TlsPipe::State::open) return find(id) != nullptr;
  connection = find(id);
  if (connection) on_closed_by_peer(*connection);
  return false;
}

bool Connections::flush_wire(Connection& connection) {
  if (connection.write_blocked) return false;
  while (!connection.tls->outgoing().empty()) {
    const std::string_view wire = connection.tls->outgoing();
    const ssize_t sent =
        ::send(connection.socket.native_handle(), wire.data(), wire.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return send_failed(connection, errno);
    connection.tls->sent(static_cast<std::size_t>(sent));
  }
  return true;
}

ssize_t Connections::write_through_tls(Connection& connection, const iovec* pieces, std::size_t count) {
  std::size_t taken = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = connection.tls->send({static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len});
    taken += size;
    if (size < pieces[i].iov_len) break;
  }
  if (taken > 0) return static_cast<ssize_t>(taken);
  errno = EAGAIN;
  return -1;
}

void Connections::say_goodbye(Connection& connection) {
  if (!connection.tls || connection.write_blocked) return;
  connection.tls->close();
  const std::string_view wire = connection.tls->outgoing();
  if (wire.empty()) return;
  // If the socket takes it, well; the connection ends anyhow.
  const ssize_t sent = ::send(connection.socket.native_handle(), wire.data(), wire.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) connection.tls->sent(static_cast<std::size_t>(sent));
}

}  // namespace famemely::serving
