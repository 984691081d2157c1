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

#include "base/http_error.hpp"
#include "serving/acceptors.hpp"

namespace famemely::serving {
namespace {

constexpr int kReadsPerTurn = 4;

/// Connections without a place that are told so at once; more are closed without a word.
constexpr std::uint32_t kTurnedAwayMax = 64;
constexpr std::string_view kRetryAfterSeconds = "1";

/// Which limit a request has broken that can't be read.
Limit limit_of(int status) {
  return status == 431 ? Limit::request_head : status == 413 ? Limit::request_body : Limit::malformed_request;
}

/// For whom there is no place, or who comes too often.
bool turns_away(int status) { return status == 429 || status == 503; }

HttpResponse make_refusal(int status, std::string_view what) {
  HttpResponse response = http_error(status, what);
  response.close = true;
  if (turns_away(status)) response.fields.add("Retry-After", std::string(kRetryAfterSeconds));
  return response;
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
  engineio::Admission::Place place;
  if (options_.limits) {
    auto taken = options_.limits->connect(
        is_proxy(remote_address) ? std::nullopt : std::optional<std::string_view>(remote_address),
        turns_.now().instant);
    if (!taken) return turn_away(descriptor, std::move(remote_address), taken.error());
    place = *std::move(taken);
  }
  Connection* connection = add(descriptor, std::move(remote_address), std::move(place));
  if (!connection) return;
  if (options_.tls) connection->tls = options_.tls->accept();
  wait_readable(*connection);
}

void Connections::turn_away(int descriptor, std::string remote_address, const engineio::Admission::Refusal& refusal) {
  if (options_.tls || !turned_away_.take(kTurnedAwayMax)) {  // a handshake would cost more than it is worth
    service_.on_turned_away(remote_address, make_refusal(refusal.status, refusal.message), turns_.now());
    ::close(descriptor);
    return;
  }
  const engineio::Admission::Place place(nullptr, [this](void*) { turned_away_.give_back(); });
  Connection* connection = add(descriptor, std::move(remote_address), place);
  if (!connection) return;
  const socketio::ConnectionId id = connection->id;
  answer_and_close(*connection, refusal.status, refusal.message);
  if (Connection* same = find(id)) wait_readable(*same);
}

Connection* Connections::add(int descriptor, std::string remote_address, engineio::Admission::Place place) {
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
  connection.http->deadline = turns_.now().instant + options_.head_timeout;
  connection.place = std::move(place);
  return &connection;
}

void Connections::adopt(MovedConnection moved) {
  boost::asio::post(context_, [this, moved = std::move(moved)]() mutable {
    if (closed_) {
      ::close(moved.descriptor);
      return;
    }
    turns_.begin();
    Connection* connection = add(moved.descriptor, std::move(moved.remote_address), std::move(moved.place));
    if (!connection) return;
    connection->http->rate_counted = true;
    connection->tls = std::move(moved.tls);
    const socketio::ConnectionId id = connection->id;
    connection->http->reader.append(moved.bytes);
    wait_readable(*connection);
    if (connection->tls) flush(*connection);
    read_requests(id);
    turns_.settle();
    turns_.schedule_end();
  });
}

void Connections::move_to(std::size_t worker, Connection& connection) {
  boost::system::error_code fault;
  const int descriptor = connection.socket.release(fault);
  if (fault) return drop(connection);
  MovedConnection moved{descriptor, connection.http->remote_address, connection.http->reader.take_raw(),
                        std::move(connection.place), std::move(connection.tls)};
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
    ++reads_;
    const std::span<char> bytes(buffer_->data(), static_cast<std::size_t>(size));
    if (!connection->tls || (connection->http && connection->http->closing))
      on_bytes(id, bytes);
    else if (!on_wire_bytes(id, {bytes.data(), bytes.size()})) {
      turns_.settle();
      turns_.schedule_end();
      return;
    }
    if (bytes.size() < buffer_->size()) break;
  }
  Connection* connection = find(id);
  if (!connection) return;
  HttpState* http = connection->http.get();
  const bool waits = http && !http->closing && (http->awaiting_answer || http->unsent());
  if (waits && http->reader.buffered() > HttpState::kReadAheadMax)
    http->left_alone = true;
  else
    wait_readable(*connection);
}

void Connections::on_bytes(socketio::ConnectionId id, std::span<char> bytes) {
  Connection* connection = find(id);
  if (connection->websocket) {
    transports_.on_websocket_bytes(id, bytes, turns_.now(), turns_.effects());
  } else if (!connection->http->closing) {
    connection->http->reader.append({bytes.data(), bytes.size()});
    read_requests(id);
  }
  turns_.settle();
  turns_.schedule_end();
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
    if (http.awaiting_answer || http.closing || http.unsent()) return;
    const HttpReader::Step step = http.reader.next();
    if (std::holds_alternative<HttpReader::NeedMore>(step)) {
      // However slowly the bytes come, the time for a request counts from its first one.
      if (http.reader.inside_request() && !std::exchange(http.inside_request, true))
        http.deadline = turns_.now().instant + options_.head_timeout;
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
  http.head_known = true;
  http.deadline = turns_.now().instant + transfer_time(http.reader.body_bytes_expected());
  http.for_socketio = transports_.serves(head.path());
  http.keep_alive = http.reader.keep_alive();
  http.head_only = head.method == "HEAD";
  http.origin = std::string(head.origin());
  http.host = std::string(head.fields.value_or("Host", ""));
  if (!check_sender(connection)) return false;
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
  request.remote_address = http.client_address;
  request.secure = http.secure;
  if (leaving_ && for_socketio && request.method != "OPTIONS" && !engineio::Server::owner_of(request))
    return answer_and_close(connection, 503, "The server is shutting down");
  http.awaiting_answer = true;
  http.deadline = kNever;
  if (!for_socketio || request.method == "OPTIONS") {
    http.for_socketio = false;
    service_.on_request(id, std::move(request), turns_.now(), turns_.effects());
  } else if (upgrades) {
    if (auto refusal = service_.refuse_handshake(http.site())) {
      service_.on_turned_away(http.client_address, *refusal, turns_.now());
      return respond(connection, *std::move(refusal));
    }
    transports_.on_upgrade(id, request, turns_.now(), turns_.effects());
  } else {
    transports_.on_request(id, request, turns_.now(), turns_.effects());
  }
}

bool Connections::check_sender(Connection& connection) {
  HttpState& http = *connection.http;
  http.client_address = http.remote_address;
  http.secure = connection.tls != nullptr;
  if (!options_.trusted_proxies.empty()) {
    if (const auto peer = IpAddress::parse(http.remote_address)) {
      const RequestSender sender = options_.trusted_proxies.sender_of(http.reader.head().fields, {*peer, http.secure});
      http.client_address = sender.address.text();
      http.secure = sender.secure;
    }
  }
  if (std::exchange(http.rate_counted, false) || !options_.limits) return true;
  const auto refusal = options_.limits->refuse_request(http.client_address, turns_.now().instant);
  if (!refusal) return true;
  answer_and_close(connection, refusal->status, refusal->message);
  return false;
}

void Connections::refuse(Connection& connection, int status, const std::string& what) {
  const HttpState& http = *connection.http;
  count(options_.limit_counters, limit_of(status));
  // One that can't be read is a request of its sender all the same; whom a proxy speaks for it does not say.
  if (!http.head_known && options_.limits && !is_proxy(http.remote_address))
    if (const auto refusal = options_.limits->refuse_request(http.remote_address, turns_.now().instant))
      return answer_and_close(connection, refusal->status, refusal->message);
  answer_and_close(connection, status, what);
}

bool Connections::is_proxy(std::string_view remote_address) const {
  if (options_.trusted_proxies.empty()) return false;
  const auto peer = IpAddress::parse(remote_address);
  return peer && options_.trusted_proxies.trusts(*peer);
}

void Connections::answer_and_close(Connection& connection, int status, const std::string& what) {
  HttpState& http = *connection.http;
  HttpResponse response = make_refusal(status, what);
  if (http.for_socketio) transports_.on_request_abandoned(connection.id);
  const std::string& remote = http.client_address.empty() ? http.remote_address : http.client_address;
  if (turns_away(status))
    service_.on_turned_away(remote, response, turns_.now());
  else
    logger_.debug("request refused", {{"remote", remote}, {"status", status}, {"reason", what}});
  http.awaiting_answer = true;
  respond(connection, std::move(response));
}

// --- effects and time ---

void Connections::apply(engineio::IoEffect& effect) {
  if (auto* answer = std::get_if<engineio::Respond>(&effect)) {
    if (Connection* connection = find(answer->connection)) {
      const HttpState* http = connection->http.get();
      if (http && http->for_socketio && turns_away(answer->response.status))
        service_.on_turned_away(http->client_address, answer->response, turns_.now());
      respond(*connection, std::move(answer->response));
    }
  } else if (auto* upgrade = std::get_if<engineio::AcceptUpgrade>(&effect)) {
    if (Connection* connection = find(upgrade->connection)) accept_upgrade(*connection, std::move(upgrade->response));
  } else if (const auto* ready = std::get_if<engineio::WriteReady>(&effect)) {
    if (Connection* connection = find(ready->connection)) flush(*connection);
  } else if (const auto* close = std::get_if<engineio::CloseConnection>(&effect)) {
    if (Connection* connection = find(close->connection)) {
      say_goodbye(*connection);
      table_.erase(close->connection);
    }
  }
}

void Connections::close_overdue() {
  table_.for_each_http([&](Connection& connection) {
    if (connection.http->deadline <= turns_.now().instant) on_overdue(connection);
  });
}

void Connections::on_overdue(Connection& connection) {
  HttpState& http = *connection.http;
  if (http.unsent()) {
    count(options_.limit_counters, Limit::slow_reader);
    return drop(connection);
  }
  if (connection.tls && !connection.tls->established()) {
    count(options_.limit_counters, Limit::tls_handshake);
    return drop(connection);
  }
  if (http.closing) return drop(connection);  // it has had its answer, and does not close
  if (http.inside_request) {
    count(options_.limit_counters, http.head_known ? Limit::slow_body : Limit::request_time);
    return answer_and_close(connection, 408, "The request did not come in time");
  }
  count(options_.limit_counters, http.answered ? Limit::idle_connection : Limit::request_time);
  drop(connection);
}

Duration Connections::transfer_time(std::size_t bytes) const {
  return options_.transfer_timeout + std::chrono::seconds(bytes / options_.bytes_per_second_min);
}

bool Connections::quiet() {
  bool quiet = true;
  table_.for_each_http([&](const Connection& connection) {
    const HttpState& http = *connection.http;
    const bool encrypted = connection.tls && connection.tls->established() && !connection.tls->outgoing().empty();
    if (http.inside_request || http.awaiting_answer || http.unsent() || encrypted) quiet = false;
  });
  return quiet;
}

void Connections::close_for_good() {
  closed_ = true;
  std::vector<socketio::ConnectionId> idle;
  table_.for_each_http([&](const Connection& connection) {
    const HttpState& http = *connection.http;
    if (!http.closing && !http.awaiting_answer && !http.unsent()) idle.push_back(connection.id);
  });
  for (const socketio::ConnectionId id : idle)
    if (Connection* connection = find(id)) drop(*connection);
}

}  // namespace famemely::serving
