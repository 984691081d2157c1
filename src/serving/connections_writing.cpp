#include <sys/socket.h>
#include <sys/uio.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "serving/connections.hpp"

namespace famemely::serving {
namespace {

constexpr std::size_t kPiecesPerWrite = 64;
constexpr std::chrono::seconds kLingerTime{2};

}  // namespace

void Connections::respond(Connection& connection, HttpResponse response) {
  if (!connection.http) return;
  HttpState& http = *connection.http;
  service_.decorate(response, http.site());
  // A polling session takes the end of its queue and its close packet with further requests, for which there is no
  // other connection any more.
  const bool keep_alive = http.keep_alive && !response.close && (!leaving_ || http.for_socketio);
  http.out.append(serialize(response, http.head_only, keep_alive));
  http.keep_alive = keep_alive;
  http.awaiting_answer = false;
  http.inside_request = false;
  http.head_known = false;
  http.answered = true;
  if (!keep_alive) http.closing = true;
  const socketio::ConnectionId id = connection.id;
  http.deadline = turns_.now().instant + transfer_time(http.out.size());
  flush(connection);
  if (Connection* same = find(id)) go_on_reading(*same);
}

void Connections::go_on_reading(Connection& connection) {
  if (!connection.http) return;
  HttpState& http = *connection.http;
  if (http.awaiting_answer || http.closing || http.unsent()) return;
  if (std::exchange(http.left_alone, false)) wait_readable(connection);
  // The next request may be here already (RFC 9112 section 9.3.2); read it from the loop, not from within this one.
  if (http.reader.buffered() == 0) return;
  boost::asio::post(context_, [this, id = connection.id] {
    turns_.begin();
    read_requests(id);
    turns_.settle();
    turns_.schedule_end();
  });
}

void Connections::accept_upgrade(Connection& connection, HttpResponse response) {
  HttpState& http = *connection.http;
  service_.decorate(response, http.site());
  http.out.append(serialize(response, false, true));
  http.awaiting_answer = false;
  connection.websocket = true;
  const socketio::ConnectionId id = connection.id;
  std::string rest = http.reader.take_raw();
  if (!flush_text(connection) && !find(id)) return;
  if (!rest.empty()) transports_.on_websocket_bytes(id, std::span<char>(rest), turns_.now(), turns_.effects());
}

void Connections::flush(Connection& connection) {
  if (connection.write_blocked) return;
  if (connection.tls && !flush_wire(connection)) return;
  if (connection.http && !flush_text(connection)) return;
  if (connection.websocket) flush_frames(connection);
}

bool Connections::flush_text(Connection& connection) {
  HttpState& http = *connection.http;
  const bool wrote = !http.out.empty();
  while (http.unsent()) {
    const iovec rest{http.out.data() + http.out_at, http.out.size() - http.out_at};
    const ssize_t sent = write_pieces(connection, &rest, 1);
    if (sent < 0) return send_failed(connection, errno);
    http.out_at += static_cast<std::size_t>(sent);
    if (connection.tls && !flush_wire(connection)) return false;
  }
  http.out.clear();
  http.out_at = 0;
  if (connection.websocket) {
    connection.http.reset();
    return true;
  }
  if (!wrote || http.awaiting_answer || http.inside_request) return true;
  http.deadline = turns_.now().instant + (http.closing ? Duration(kLingerTime) : Duration(options_.idle_timeout));
  if (http.closing) finish_response(connection);
  return true;
}

bool Connections::flush_frames(Connection& connection) {
  const socketio::ConnectionId id = connection.id;
  engineio::Piece pieces[kPiecesPerWrite];
  iovec vectors[kPiecesPerWrite];
  for (;;) {
    const std::size_t count = transports_.gather(id, pieces);
    if (count == 0) return true;
    for (std::size_t i = 0; i < count; ++i)
      vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};  // sendmsg does not write there
    const ssize_t sent = write_pieces(connection, vectors, count);
    if (sent < 0) return send_failed(connection, errno);
    const bool more = transports_.wrote(id, static_cast<std::size_t>(sent), turns_.now(), turns_.effects());
    if (connection.tls && !flush_wire(connection)) return false;
    if (!more) return true;
  }
}

ssize_t Connections::write_pieces(Connection& connection, const iovec* pieces, std::size_t count) {
  if (connection.tls) return write_through_tls(connection, pieces, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);  // sendmsg does not write there
  message.msg_iovlen = count;
  return ::sendmsg(connection.socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool Connections::send_failed(Connection& connection, int fault) {
  if (fault == EINTR) fault = EAGAIN;  // as good as blocked: the wait returns at once
  if (fault == EAGAIN || fault == EWOULDBLOCK) {
    if (connection.write_blocked) return false;
    if (connection.tls && !connection.tls->established() && connection.tls->outgoing().empty())
      return false;  // the end of the handshake goes on with it
    connection.write_blocked = true;
    connection.socket.async_wait(Connection::Socket::wait_write,
                                 [this, id = connection.id](const boost::system::error_code& error) {
                                   Connection* same = error ? nullptr : find(id);
                                   if (!same) return;
                                   turns_.begin();
                                   same->write_blocked = false;
                                   flush(*same);
                                   if (Connection* still = find(id)) go_on_reading(*still);
                                   turns_.settle();
                                   turns_.schedule_end();
                                 });
    return false;
  }
  drop(connection);
  return false;
}

void Connections::finish_response(Connection& connection) {
  say_goodbye(connection);
  end_in_peace(connection);
}

void Connections::end_in_peace(Connection& connection) {
  // Closing with unread bytes would reset the connection and take the response with it: say that we are done, and let
  // the peer, or the deadline, end it.
  if (!connection.http) return drop(connection);
  connection.http->closing = true;
  connection.http->inside_request = false;
  connection.http->deadline = turns_.now().instant + kLingerTime;
  boost::system::error_code ignored;
  connection.socket.shutdown(boost::asio::socket_base::shutdown_send, ignored);
}

}  // namespace famemely::serving
