#include "io/worker_loop.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json_text.hpp"
#include "io/clocks.hpp"

namespace famemely::io {
namespace {

using boost::asio::ip::tcp;

constexpr int kAcceptsPerTurn = 64;
constexpr int kReadsPerTurn = 4;
constexpr std::size_t kPiecesPerWrite = 64;
/// A client that sends more than this while it waits for an answer is not read on until it has it.
constexpr std::size_t kReadAheadMax = 65'536;
constexpr std::chrono::seconds kSweepInterval{1};
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
  } else if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  }
  return text;
}

tcp family_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
}

}  // namespace

WorkerLoop::WorkerLoop(const WorkerLoopOptions& options, boost::asio::io_context& context,
                       gateway::Application& application, Logger& logger)
    : options_(options),
      context_(context),
      application_(application),
      server_(application.server()),
      logger_(logger),
      now_(read_clocks()),
      timer_(context.get_executor()),
      buffer_(std::make_unique<std::array<char, 65'536>>()) {}

WorkerLoop::~WorkerLoop() = default;

// --- accepting ---

void WorkerLoop::listen(const std::vector<int>& descriptors) {
  for (const int descriptor : descriptors) {
    acceptors_.emplace_back(context_.get_executor());
    acceptors_.back().assign(family_of(descriptor), descriptor);
  }
  for (std::size_t i = 0; i < acceptors_.size(); ++i) wait_for_connections(i);
  next_sweep_ = now_.instant + kSweepInterval;
  arm_timer();
}

void WorkerLoop::wait_for_connections(std::size_t acceptor) {
  acceptors_[acceptor].async_wait(Acceptor::wait_read, [this, acceptor](const boost::system::error_code& fault) {
    if (!fault) accept_ready(acceptor);
  });
}

void WorkerLoop::accept_ready(std::size_t acceptor) {
  begin_turn();
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int descriptor = ::accept4(acceptors_[acceptor].native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory: those who wait in the backlog get their turn when some are free again.
      logger_.error("accept failed", {{"error", std::strerror(errno)}, {"connections", connections_.size()}});
      auto pause = std::make_shared<Timer>(context_.get_executor(), kAcceptPause);
      pause->async_wait([this, acceptor, pause](const boost::system::error_code& fault) {
        if (!fault && acceptors_[acceptor].is_open()) wait_for_connections(acceptor);
      });
      return;
    }
    if (Connection* connection = add(descriptor, address_text(peer))) wait_readable(*connection);
  }
  wait_for_connections(acceptor);
}

Connection* WorkerLoop::add(int descriptor, std::string remote_address) {
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
  Connection& connection = connections_.add(std::move(socket));
  connection.http = std::make_unique<HttpState>(options_.http);
  connection.http->remote_address = std::move(remote_address);
  connection.http->deadline = now_.instant + options_.request_timeout;
  return &connection;
}

void WorkerLoop::adopt(MovedConnection moved) {
  boost::asio::post(context_, [this, moved = std::move(moved)]() mutable {
    begin_turn();
    Connection* connection = add(moved.descriptor, std::move(moved.remote_address));
    if (!connection) return;
    const socketio::ConnectionId id = connection->id;
    connection->http->reader.append(moved.bytes);
    wait_readable(*connection);
    read_requests(id);
    settle();
    schedule_end_of_turn();
  });
}

void WorkerLoop::move_to(std::size_t worker, Connection& connection) {
  boost::system::error_code fault;
  const int descriptor = connection.socket.release(fault);
  if (fault) return drop(connection);
  MovedConnection moved{descriptor, connection.http->remote_address, connection.http->reader.take_raw()};
  connections_.erase(connection.id);
  peers_[worker]->adopt(std::move(moved));
}

// --- reading ---

void WorkerLoop::wait_readable(Connection& connection) {
  connection.socket.async_wait(Connection::Socket::wait_read,
                               [this, id = connection.id](const boost::system::error_code& fault) {
                                 if (!fault) on_readable(id);
                               });
}

void WorkerLoop::on_readable(socketio::ConnectionId id) {
  begin_turn();
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
      server_.on_websocket_bytes(id, bytes, now_, effects_);
    } else if (!connection->http->closing) {
      connection->http->reader.append({bytes.data(), bytes.size()});
      read_requests(id);
    }
    settle();
    schedule_end_of_turn();
    if (bytes.size() < buffer_->size()) break;
  }
  Connection* connection = find(id);
  if (!connection) return;
  const bool waits = connection->http && connection->http->awaiting_answer;
  // respond() goes on reading a connection that is left alone here.
  if (waits && connection->http->reader.buffered() > kReadAheadMax) return;
  wait_readable(*connection);
}

void WorkerLoop::on_closed_by_peer(Connection& connection) {
  drop(connection);
  settle();
  schedule_end_of_turn();
}

void WorkerLoop::drop(Connection& connection) {
  const socketio::ConnectionId id = connection.id;
  const bool ours = connection.http && !connection.http->for_socketio && connection.http->awaiting_answer;
  connections_.erase(id);
  if (ours)
    application_.on_request_abandoned(id);
  else
    server_.on_disconnected(id, now_, effects_);
}

void WorkerLoop::read_requests(socketio::ConnectionId id) {
  for (;;) {
    Connection* connection = find(id);
    if (!connection || !connection->http) return;
    HttpState& http = *connection->http;
    if (http.awaiting_answer || http.closing) return;
    const HttpReader::Step step = http.reader.next();
    if (std::holds_alternative<HttpReader::NeedMore>(step)) {
      // However slowly the bytes come, the time for a request counts from its first one.
      if (http.reader.inside_request() && !std::exchange(http.inside_request, true))
        http.deadline = now_.instant + options_.request_timeout;
      return;
    }
    if (const auto* fault = std::get_if<HttpReader::Fault>(&step))
      return refuse(*connection, fault->status, fault->what);
    if (std::holds_alternative<HttpReader::Head>(step)) {
      if (!on_head(*connection)) return;
    } else {
      on_complete(*connection);
      settle();
    }
  }
}

bool WorkerLoop::on_head(Connection& connection) {
  HttpState& http = *connection.http;
  const HttpRequest& head = http.reader.head();
  http.inside_request = true;
  http.deadline = now_.instant + options_.request_timeout;
  http.for_socketio = server_.serves(head.path());
  http.keep_alive = http.reader.keep_alive();
  http.head_only = head.method == "HEAD";
  http.origin = std::string(head.fields.value_or("Origin", ""));
  http.host = std::string(head.fields.value_or("Host", ""));
  if (http.for_socketio) {
    const auto owner = socketio::Server::owner_of(head);
    if (owner && *owner != options_.worker && *owner < options_.workers) {
      move_to(*owner, connection);
      return false;
    }
    if (head.method == "POST" && !server_.on_request_started(connection.id, head, now_, effects_)) {
      http.keep_alive = false;
      http.awaiting_answer = true;
      settle();
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

void WorkerLoop::on_complete(Connection& connection) {
  HttpState& http = *connection.http;
  const socketio::ConnectionId id = connection.id;
  const bool upgrades = http.reader.upgrades_to_websocket();
  const bool for_socketio = http.for_socketio;
  HttpRequest request = http.reader.take_request();
  request.remote_address = http.remote_address;
  http.awaiting_answer = true;
  http.deadline = kNever;
  if (!for_socketio || request.method == "OPTIONS") {
    http.for_socketio = false;
    application_.on_request(id, std::move(request), now_, effects_);
  } else if (upgrades) {
    server_.on_upgrade(id, request, now_, effects_);
  } else {
    server_.on_request(id, request, now_, effects_);
  }
}

void WorkerLoop::refuse(Connection& connection, int status, const std::string& what) {
  HttpState& http = *connection.http;
  HttpResponse response{.status = status, .fields = {}, .body = {}, .close = true};
  if (http.for_socketio) {
    server_.on_request_abandoned(connection.id);
  } else {
    response.fields.add("Content-Type", "application/json; charset=utf-8");
    response.body = "{\"statusCode\":" + std::to_string(status) + ",\"message\":" + json_string(what) +
                    ",\"error\":" + json_string(reason_phrase(status)) + "}";
  }
  logger_.debug("request refused", {{"remote", http.remote_address}, {"status", status}, {"reason", what}});
  http.awaiting_answer = true;
  respond(connection, std::move(response));
}

// --- writing ---

void WorkerLoop::respond(Connection& connection, HttpResponse response) {
  if (!connection.http) return;
  HttpState& http = *connection.http;
  application_.decorate(response, http.origin, http.host);
  const bool keep_alive = http.keep_alive && !response.close && !drained_;
  http.out.append(serialize(response, http.head_only, keep_alive));
  http.keep_alive = keep_alive;
  http.awaiting_answer = false;
  http.inside_request = false;
  if (!keep_alive) http.closing = true;
  const socketio::ConnectionId id = connection.id;
  const bool left_alone = http.reader.buffered() > kReadAheadMax;
  http.deadline = now_.instant + (keep_alive ? options_.idle_timeout : kLingerTime);
  flush(connection);
  if (!keep_alive) return;
  if (Connection* same = find(id); same && left_alone) wait_readable(*same);
  // The next request may be here already (RFC 9112 section 9.3.2); read it from the loop, not from within this one.
  if (Connection* same = find(id); same && same->http->reader.buffered() > 0)
    boost::asio::post(context_, [this, id] {
      begin_turn();
      read_requests(id);
      settle();
      schedule_end_of_turn();
    });
}

void WorkerLoop::accept_upgrade(Connection& connection, HttpResponse response) {
  HttpState& http = *connection.http;
  application_.decorate(response, http.origin, http.host);
  http.out.append(serialize(response, false, true));
  http.awaiting_answer = false;
  connection.websocket = true;
  const socketio::ConnectionId id = connection.id;
  std::string rest = http.reader.take_raw();
  if (!flush_text(connection)) {
    if (!find(id)) return;
  }
  if (!rest.empty()) server_.on_websocket_bytes(id, std::span<char>(rest), now_, effects_);
}

void WorkerLoop::flush(Connection& connection) {
  if (connection.write_blocked) return;
  if (connection.http && !flush_text(connection)) return;
  if (connection.websocket) flush_frames(connection);
}

bool WorkerLoop::flush_text(Connection& connection) {
  HttpState& http = *connection.http;
  while (http.out_at < http.out.size()) {
    const ssize_t sent = ::send(connection.socket.native_handle(), http.out.data() + http.out_at,
                                http.out.size() - http.out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return send_failed(connection, errno);
    http.out_at += static_cast<std::size_t>(sent);
  }
  http.out.clear();
  http.out_at = 0;
  if (connection.websocket) {
    connection.http.reset();
    return true;
  }
  if (http.closing) finish_response(connection);
  return true;
}

bool WorkerLoop::flush_frames(Connection& connection) {
  const socketio::ConnectionId id = connection.id;
  engineio::Piece pieces[kPiecesPerWrite];
  iovec vectors[kPiecesPerWrite];
  for (;;) {
    const std::size_t count = server_.gather(id, pieces);
    if (count == 0) return true;
    for (std::size_t i = 0; i < count; ++i)
      vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};  // sendmsg does not write there
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(connection.socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return send_failed(connection, errno);
    if (!server_.wrote(id, static_cast<std::size_t>(sent), now_, effects_)) return true;
  }
}

bool WorkerLoop::send_failed(Connection& connection, int fault) {
  if (fault == EINTR) fault = EAGAIN;  // as good as blocked: the wait returns at once
  if (fault == EAGAIN || fault == EWOULDBLOCK) {
    connection.write_blocked = true;
    connection.socket.async_wait(Connection::Socket::wait_write,
                                 [this, id = connection.id](const boost::system::error_code& error) {
                                   Connection* same = error ? nullptr : find(id);
                                   if (!same) return;
                                   begin_turn();
                                   same->write_blocked = false;
                                   flush(*same);
                                   settle();
                                   schedule_end_of_turn();
                                 });
    return false;
  }
  drop(connection);
  return false;
}

void WorkerLoop::finish_response(Connection& connection) {
  // Closing with unread bytes would reset the connection and take the response with it: say that we are done, and let
  // the peer, or the deadline, end it.
  boost::system::error_code ignored;
  connection.socket.shutdown(tcp::socket::shutdown_send, ignored);
}

// --- turns ---

void WorkerLoop::settle() {
  if (settling_) return;
  settling_ = true;
  while (!effects_.for_application.empty() || !effects_.for_io.empty()) {
    // What the application queues in answer leaves with the end of a turn: of another one, if this one is ending.
    if (!effects_.for_application.empty()) schedule_end_of_turn();
    application_.process(now_, effects_);
    applied_.swap(effects_.for_io);
    for (engineio::IoEffect& effect : applied_) {
      if (auto* answer = std::get_if<engineio::Respond>(&effect)) {
        if (Connection* connection = find(answer->connection)) respond(*connection, std::move(answer->response));
      } else if (auto* upgrade = std::get_if<engineio::AcceptUpgrade>(&effect)) {
        if (Connection* connection = find(upgrade->connection))
          accept_upgrade(*connection, std::move(upgrade->response));
      } else if (const auto* ready = std::get_if<engineio::WriteReady>(&effect)) {
        if (Connection* connection = find(ready->connection)) flush(*connection);
      } else if (const auto* close = std::get_if<engineio::CloseConnection>(&effect)) {
        connections_.erase(close->connection);
      }
    }
    applied_.clear();
  }
  settling_ = false;
}

void WorkerLoop::begin_turn() {
  now_ = read_clocks();
  pace_.on_begin(now_.instant);
}

void WorkerLoop::schedule_end_of_turn() {
  if (std::exchange(turn_scheduled_, true)) return;
  boost::asio::post(context_, [this] {
    turn_scheduled_ = false;
    end_turn();
    pause(pace_.on_end(read_clocks().instant));
  });
}

void WorkerLoop::end_turn() {
  settle();
  push_commands();
  settle();
  server_.end_of_turn(now_, effects_);
  settle();
  arm_timer();
  check_drained();
}

void WorkerLoop::push_commands() {
  std::vector<gateway::LinkCommand>& commands = application_.commands();
  if (commands.empty() || !link_) return;
  if (!link_full_ && link_->push(options_.worker, commands)) return;
  link_full_ = true;
  application_.on_link_full(commands, now_, effects_);
}

void WorkerLoop::on_link_events(std::vector<gateway::WorkerEvent>& events) {
  begin_turn();
  std::span<gateway::WorkerEvent> rest(events);
  while (!rest.empty()) {
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < rest.size() && bytes < options_.portion_bytes; ++count) {
      bytes += gateway::weight(rest[count]);
      if (std::holds_alternative<gateway::Delivery>(rest[count])) pace_.on_message();
    }
    application_.on_link_events(rest.first(count), now_, effects_);
    settle();
    rest = rest.subspan(count);
    if (rest.empty()) break;
    server_.end_of_turn(now_, effects_);
    settle();
  }
  events.clear();
  schedule_end_of_turn();
}

void WorkerLoop::on_link_room() {
  link_full_ = false;
  schedule_end_of_turn();
}

void WorkerLoop::arm_timer() {
  const Instant due =
      std::min({server_.next_deadline(), application_.next_deadline(), next_sweep_, shutdown_deadline_});
  if (due == kNever || due >= timer_armed_) return;
  timer_armed_ = due;
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& fault) {
    if (!fault) on_timer();
  });
}

void WorkerLoop::on_timer() {
  begin_turn();
  timer_armed_ = kNever;
  server_.on_timer(now_, effects_);
  application_.on_timer(now_, effects_);
  if (now_.instant >= next_sweep_) {
    close_overdue(now_.instant);
    next_sweep_ = now_.instant + kSweepInterval;
  }
  settle();
  end_turn();
}

void WorkerLoop::close_overdue(Instant instant) {
  connections_.for_each_http([&](Connection& connection) {
    if (connection.http->deadline <= instant) drop(connection);
  });
}

// --- shutdown ---

void WorkerLoop::begin_shutdown(Instant deadline, std::function<void()> drained) {
  begin_turn();
  for (Acceptor& acceptor : acceptors_) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
  shutdown_deadline_ = deadline;
  drained_ = std::move(drained);
  application_.begin_shutdown(now_, deadline, effects_);
  settle();
  schedule_end_of_turn();
}

void WorkerLoop::check_drained() {
  if (!drained_) return;
  bool quiet = application_.idle();
  if (quiet)
    connections_.for_each_http([&](Connection& connection) {
      if (connection.http->awaiting_answer || connection.http->out_at < connection.http->out.size()) quiet = false;
    });
  if (!quiet && now_.instant < shutdown_deadline_) return;
  shutdown_deadline_ = kNever;
  std::exchange(drained_, nullptr)();
}

}  // namespace famemely::io
