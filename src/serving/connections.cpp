#include "serving/connections.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json_text.hpp"
#include "serving/acceptors.hpp"

namespace famemely::serving {
namespace {

constexpr int kReadsPerTurn = 4;

/// Which limit a request has broken that can't be read.
Limit limit_of(int status) {
  return status == 431 ? Limit::request_head : status == 413 ? Limit::request_body : Limit::malformed_request;
}

}  // namespace

Connections::Connections(const ConnectionOptions& options, boost::asio::io_context& context, socketio::Service& service,
                         Turns& turns, Logger& logger)
    : options_(options),
      context_(context),
      service_(service),
      transports_(service.transports()),
      turns_(turns),
      logger_(logger),
      buffer_(std::make_unique<std::array<char, 65'536>>()) {}

Connections::~Connections() = default;

void Connections::take(int descriptor, std::string remote_address) {
  if (Connection* connection = add(descriptor, std::move(remote_address))) wait_readable(*connection);
}

Connection* Connections::add(int descriptor, std::string remote_address) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection::Socket socket(context_.get_executor());
  boost::system::error_code fault;
  socket.assign(family_of(descriptor), descriptor, fault);
  if (fault) {
    ::close(descriptor);
    logger_.error("connection not taken", {{"error", fault.message()}});
    return nullptr;
  }
  Connection& connection = table_.add(std::move(socket));
  connection.http = std::make_unique<HttpState>(options_.http);
  connection.http->remote_address = std::move(remote_address);
  connection.http->deadline = turns_.now().instant + options_.request_timeout;
  return &connection;
}

void Connections::adopt(MovedConnection moved) {
  boost::asio::post(context_, [this, moved = std::move(moved)]() mutable {
    turns_.begin();
    Connection* connection = add(moved.descriptor, std::move(moved.remote_address));
    if (!connection) return;
    const socketio::ConnectionId id = connection->id;
    connection->http->reader.append(moved.bytes);
    wait_readable(*connection);
    read_requests(id);
    turns_.settle();
    turns_.schedule_end();
  });
}

void Connections::move_to(std::size_t worker, Connection& connection) {
  boost::system::error_code fault;
  const int descriptor = connection.socket.release(fault);
  if (fault) return drop(connection);
  MovedConnection moved{descriptor, connection.http->remote_address, connection.http->reader.take_raw()};
  table_.erase(connection.id);
  peers_[worker]->adopt(std::move(moved));
}

// --- reading ---

void Connections::wait_readable(Connection& connection) {
  connection.socket.async_wait(Connection::Socket::wait_read,
                               [this, id = connection.id](const boost::system::error_code& fault) {
                                 if (!fault) on_readable(id);
                               });
}

void Connections::on_readable(socketio::ConnectionId id) {
  turns_.begin();
  for (int i = 0; i < kReadsPerTurn; ++i) {
    Connection* connection = find(id);
    if (!connection) return;
    const ssize_t size = ::recv(connection->socket.native_handle(), buffer_->data(), buffer_->size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      on_closed_by_peer(*connection);
      return;
    }
    const std::span<char> bytes(buffer_->data(), static_cast<std::size_t>(size));
    if (connection->websocket) {
      transports_.on_websocket_bytes(id, bytes, turns_.now(), turns_.effects());
    } else if (!connection->http->closing) {
      connection->http->reader.append({bytes.data(), bytes.size()});
      read_requests(id);
    }
    turns_.settle();
    turns_.schedule_end();
    if (bytes.size() < buffer_->size()) break;
  }
  Connection* connection = find(id);
  if (!connection) return;
  const bool waits = connection->http && connection->http->awaiting_answer;
  // respond() goes on reading a connection that is left alone here.
  if (waits && connection->http->reader.buffered() > HttpState::kReadAheadMax) return;
  wait_readable(*connection);
}

void Connections::on_closed_by_peer(Connection& connection) {
  drop(connection);
  turns_.settle();
  turns_.schedule_end();
}

void Connections::drop(Connection& connection) {
  const socketio::ConnectionId id = connection.id;
  const bool ours = connection.http && !connection.http->for_socketio && connection.http->awaiting_answer;
  table_.erase(id);
  if (ours)
    service_.on_request_abandoned(id);
  else
    transports_.on_disconnected(id, turns_.now(), turns_.effects());
}

void Connections::read_requests(socketio::ConnectionId id) {
  for (;;) {
    Connection* connection = find(id);
    if (!connection || !connection->http) return;
    HttpState& http = *connection->http;
    if (http.awaiting_answer || http.closing) return;
    const HttpReader::Step step = http.reader.next();
    if (std::holds_alternative<HttpReader::NeedMore>(step)) {
      // However slowly the bytes come, the time for a request counts from its first one.
      if (http.reader.inside_request() && !std::exchange(http.inside_request, true))
        http.deadline = turns_.now().instant + options_.request_timeout;
      return;
    }
    if (const auto* fault = std::get_if<HttpReader::Fault>(&step))
      return refuse(*connection, fault->status, fault->what);
    if (std::holds_alternative<HttpReader::Head>(step)) {
      if (!on_head(*connection)) return;
    } else {
      on_complete(*connection);
      turns_.settle();
    }
  }
}

bool Connections::on_head(Connection& connection) {
  HttpState& http = *connection.http;
  const HttpRequest& head = http.reader.head();
  http.inside_request = true;
  http.deadline = turns_.now().instant + options_.request_timeout;
  http.for_socketio = transports_.serves(head.path());
  http.keep_alive = http.reader.keep_alive();
  http.head_only = head.method == "HEAD";
  http.origin = std::string(head.fields.value_or("Origin", ""));
  http.host = std::string(head.fields.value_or("Host", ""));
  if (http.for_socketio) {
    const auto owner = engineio::Server::owner_of(head);
    if (owner && *owner != options_.worker && *owner < options_.workers) {
      move_to(*owner, connection);
      return false;
    }
    if (head.method == "POST" && !transports_.on_request_started(connection.id, head, turns_.now(), turns_.effects())) {
      http.keep_alive = false;
      http.awaiting_answer = true;
      turns_.settle();
      return false;
    }
  }
  if (http.reader.expects_continue()) {
    http.out.append("HTTP/1.1 100 Continue\r\n\r\n");
    flush(connection);
    return find(connection.id) != nullptr;
  }
  return true;
}

void Connections::on_complete(Connection& connection) {
  HttpState& http = *connection.http;
  const socketio::ConnectionId id = connection.id;
  const bool upgrades = http.reader.upgrades_to_websocket();
  const bool for_socketio = http.for_socketio;
  HttpRequest request = http.reader.take_request();
  request.remote_address = http.remote_address;
  request.secure = http.secure;
  http.awaiting_answer = true;
  http.deadline = kNever;
  if (!for_socketio || request.method == "OPTIONS") {
    http.for_socketio = false;
    service_.on_request(id, std::move(request), turns_.now(), turns_.effects());
  } else if (upgrades) {
    if (auto refusal = service_.refuse_handshake(http.site())) return respond(connection, *std::move(refusal));
    transports_.on_upgrade(id, request, turns_.now(), turns_.effects());
  } else {
    transports_.on_request(id, request, turns_.now(), turns_.effects());
  }
}

void Connections::refuse(Connection& connection, int status, const std::string& what) {
  HttpState& http = *connection.http;
  HttpResponse response{.status = status, .fields = {}, .body = {}, .close = true};
  if (http.for_socketio) {
    transports_.on_request_abandoned(connection.id);
  } else {
    response.fields.add("Content-Type", "application/json; charset=utf-8");
    response.body = "{\"statusCode\":" + std::to_string(status) + ",\"message\":" + json_string(what) +
                    ",\"error\":" + json_string(reason_phrase(status)) + "}";
  }
  count(options_.limit_counters, limit_of(status));
  logger_.debug("request refused", {{"remote", http.remote_address}, {"status", status}, {"reason", what}});
  http.awaiting_answer = true;
  respond(connection, std::move(response));
}

// --- effects and time ---

void Connections::apply(engineio::IoEffect& effect) {
  if (auto* answer = std::get_if<engineio::Respond>(&effect)) {
    if (Connection* connection = find(answer->connection)) respond(*connection, std::move(answer->response));
  } else if (auto* upgrade = std::get_if<engineio::AcceptUpgrade>(&effect)) {
    if (Connection* connection = find(upgrade->connection)) accept_upgrade(*connection, std::move(upgrade->response));
  } else if (const auto* ready = std::get_if<engineio::WriteReady>(&effect)) {
    if (Connection* connection = find(ready->connection)) flush(*connection);
  } else if (const auto* close = std::get_if<engineio::CloseConnection>(&effect)) {
    table_.erase(close->connection);
  }
}

void Connections::close_overdue() {
  table_.for_each_http([&](Connection& connection) {
    if (connection.http->deadline <= turns_.now().instant) drop(connection);
  });
}

bool Connections::quiet() {
  bool quiet = true;
  table_.for_each_http([&](const Connection& connection) {
    if (connection.http->awaiting_answer || connection.http->out_at < connection.http->out.size()) quiet = false;
  });
  return quiet;
}

}  // namespace famemely::serving
