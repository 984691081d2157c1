// The server that the official test suites of the two protocols want: an echo of Engine.IO messages at /engine.io/, and
// a Socket.IO server with the namespaces / and /custom at /socket.io/, both on one port.
//
//   socketio_suites_server [PORT] [WORKERS]      (3000, or WORKERS of the environment, or 1)
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "protocol/engineio/server.hpp"
#include "serving/in_process_cluster.hpp"
#include "serving/listening_sockets.hpp"
#include "serving/workers.hpp"
#include "socketio/node.hpp"

namespace {

using namespace famemely;
using socketio::ConnectionId;
using socketio::Effects;
using std::chrono::milliseconds;

constexpr milliseconds kPingInterval{300};
constexpr milliseconds kPingTimeout{200};
constexpr milliseconds kConnectTimeout{1000};
constexpr std::uint32_t kMaxPayload = 1'000'000;

/// Sends back every message, without any Socket.IO.
class Echo final : public socketio::Transports {
 public:
  Echo(std::uint8_t owner, RandomSource& random)
      : engine_({.ping_interval = kPingInterval,
                 .ping_timeout = kPingTimeout,
                 .message_bytes_max = kMaxPayload,
                 .owner = owner},
                random) {}

  [[nodiscard]] bool serves(std::string_view path) const override { return engine_.serves(path); }
  bool on_request_started(ConnectionId connection, const HttpRequest& head, Now now, Effects& effects) override {
    const bool wanted = engine_.on_request_started(connection, head, now, effects.for_io);
    echo(now, effects);
    return wanted;
  }
  void on_request_abandoned(ConnectionId connection) override { engine_.on_request_abandoned(connection); }
  void on_request(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override {
    engine_.on_request(connection, request, now, effects.for_io);
    echo(now, effects);
  }
  void on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override {
    engine_.on_upgrade(connection, request, now, effects.for_io);
    echo(now, effects);
  }
  void on_websocket_bytes(ConnectionId connection, std::span<char> bytes, Now now, Effects& effects) override {
    engine_.on_websocket_bytes(connection, bytes);
    echo(now, effects);
  }
  void on_disconnected(ConnectionId connection, Now now, Effects& effects) override {
    engine_.on_disconnected(connection, now, effects.for_io);
    echo(now, effects);
  }
  std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) const override {
    return engine_.gather(connection, pieces);
  }
  bool wrote(ConnectionId connection, std::size_t bytes, Now now, Effects& effects) override {
    const bool more = engine_.wrote(connection, bytes, effects.for_io);
    echo(now, effects);
    return more;
  }
  void on_timer(Now now, Effects& effects) override {
    engine_.on_timer(now, effects.for_io);
    echo(now, effects);
  }
  Instant next_deadline() const override { return engine_.next_deadline(); }
  void end_of_turn(Now now, Effects& effects) override {
    engine_.end_of_turn(now, effects.for_io);
    echo(now, effects);
  }
  void close_all(Now now) {
    for (const engineio::SessionId session : engine_.sessions())
      engine_.close(session, engineio::CloseReason::forced_close, now);
  }
  [[nodiscard]] std::size_t session_count() const { return engine_.session_count(); }

 private:
  void echo(Now now, Effects& effects) {
    while (const auto event = engine_.next(now, effects.for_io))
      if (const auto* message = std::get_if<engineio::MessageReceived>(&*event))
        engine_.send(message->session, message->binary ? engineio::make_binary_frame(message->data)
                                                       : engineio::make_text_frame("4" + std::string(message->data)));
  }

  engineio::Server engine_;
};

/// Both at once. A connection belongs to whichever server has been given its request; the other does not know it.
class Both final : public socketio::Transports {
 public:
  Both(Echo& echo, socketio::Server& server) : echo_(echo), server_(server) {}

  [[nodiscard]] bool serves(std::string_view path) const override { return echo_.serves(path) || server_.serves(path); }
  bool on_request_started(ConnectionId connection, const HttpRequest& head, Now now, Effects& effects) override {
    return of(head).on_request_started(connection, head, now, effects);
  }
  void on_request_abandoned(ConnectionId connection) override {
    echo_.on_request_abandoned(connection);
    server_.on_request_abandoned(connection);
  }
  void on_request(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override {
    of(request).on_request(connection, request, now, effects);
  }
  void on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override {
    of(request).on_upgrade(connection, request, now, effects);
  }
  void on_websocket_bytes(ConnectionId connection, std::span<char> bytes, Now now, Effects& effects) override {
    echo_.on_websocket_bytes(connection, bytes, now, effects);
    server_.on_websocket_bytes(connection, bytes, now, effects);
  }
  void on_disconnected(ConnectionId connection, Now now, Effects& effects) override {
    echo_.on_disconnected(connection, now, effects);
    server_.on_disconnected(connection, now, effects);
  }
  std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) const override {
    const std::size_t count = echo_.gather(connection, pieces);
    return count > 0 ? count : server_.gather(connection, pieces);
  }
  bool wrote(ConnectionId connection, std::size_t bytes, Now now, Effects& effects) override {
    engineio::Piece piece;
    if (echo_.gather(connection, {&piece, 1}) > 0) return echo_.wrote(connection, bytes, now, effects);
    return server_.wrote(connection, bytes, now, effects);
  }
  void on_timer(Now now, Effects& effects) override {
    echo_.on_timer(now, effects);
    server_.on_timer(now, effects);
  }
  Instant next_deadline() const override { return std::min(echo_.next_deadline(), server_.next_deadline()); }
  void end_of_turn(Now now, Effects& effects) override {
    echo_.end_of_turn(now, effects);
    server_.end_of_turn(now, effects);
  }

 private:
  socketio::Transports& of(const HttpRequest& request) {
    if (echo_.serves(request.path())) return echo_;
    return server_;
  }

  Echo& echo_;
  socketio::Server& server_;
};

class SuiteService final : public socketio::Service {
 public:
  SuiteService(std::uint8_t worker, const socketio::Definitions& definitions, RandomSource& random, Logger& logger)
      : node_(node_options(worker), definitions, random, logger),
        echo_(worker, random),
        both_(echo_, node_.transports()) {}

  [[nodiscard]] socketio::Node& node() { return node_; }

  socketio::Transports& transports() override { return both_; }
  void process(Now now, Effects& effects) override { node_.process(now, effects); }
  void on_request(ConnectionId connection, HttpRequest request, Now now, Effects& effects) override {
    node_.on_request(connection, std::move(request), now, effects);
  }
  void on_request_abandoned(ConnectionId connection) override { node_.on_request_abandoned(connection); }
  void decorate(HttpResponse& response, const RequestSite& site) const override { node_.decorate(response, site); }
  [[nodiscard]] std::optional<HttpResponse> refuse_handshake(const RequestSite& site) const override {
    return node_.refuse_handshake(site);
  }
  void on_turned_away(std::string_view remote_address, const HttpResponse& refusal, Now now) override {
    node_.on_turned_away(remote_address, refusal, now);
  }
  void on_timer(Now now, Effects& effects) override { node_.on_timer(now, effects); }
  [[nodiscard]] Instant next_deadline() const override { return node_.next_deadline(); }
  void begin_shutdown(Now now, Effects& effects) override { node_.begin_shutdown(now, effects); }
  void begin_closing(Now now, Instant done_by, Effects& effects) override {
    node_.begin_closing(now, done_by, effects);
    echo_.close_all(now);
  }
  [[nodiscard]] bool idle() const override { return node_.idle() && echo_.session_count() == 0; }

 private:
  static socketio::NodeOptions node_options(std::uint8_t worker) {
    socketio::NodeOptions options;
    options.server.ping_interval = kPingInterval;
    options.server.ping_timeout = kPingTimeout;
    options.server.connect_timeout = kConnectTimeout;
    options.server.message_bytes_max = kMaxPayload;
    options.server.owner = worker;
    options.cors_origins = {"*"};
    return options;
  }

  socketio::Node node_;
  Echo echo_;
  Both both_;
};

class StandardError final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>& fields) override {
    std::string line(event);
    for (const LogField& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    std::fprintf(stderr, "%s\n", line.c_str());
  }
};

void emit_auth(socketio::Socket& socket) {
  const std::string& auth = socket.handshake().auth_json;
  socket.emit("auth", socketio::Json{auth.empty() ? "{}" : auth});
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const char* wanted = std::getenv("WORKERS");
  const int port = argc > 1 ? std::atoi(argv[1]) : 3000;
  const int workers = std::clamp(argc > 2 ? std::atoi(argv[2]) : wanted ? std::atoi(wanted) : 1, 1, 16);

  socketio::Definitions definitions;
  definitions.of("/").on_connection([](socketio::Socket& socket) {
    emit_auth(socket);
    socket.on("message",
              [&socket](const socketio::Arguments& args) { socket.emit_values("message-back", args.pass_on()); });
    socket.on("message-with-ack",
              [](const socketio::Arguments& args, const socketio::Reply& reply) { reply.send(args.pass_on()); });
  });
  definitions.of("/custom").on_connection(emit_auth);

  auto sockets =
      serving::ListeningSockets::open({}, static_cast<std::uint16_t>(port), static_cast<std::size_t>(workers));
  if (!sockets) {
    std::fprintf(stderr, "%s\n", sockets.error().c_str());
    return 1;
  }
  StandardError logger;
  serving::InProcessCluster cluster(64'000'000);
  std::vector<socketio::Node*> nodes;
  serving::Workers pool(
      {.workers = static_cast<std::size_t>(workers), .http = {.body_bytes_max = kMaxPayload}},
      [&](std::size_t worker, RandomSource& random) {
        auto service = std::make_unique<SuiteService>(static_cast<std::uint8_t>(worker), definitions, random, logger);
        nodes.push_back(&service->node());
        return service;
      },
      logger);
  for (std::size_t i = 0; i < pool.size(); ++i) cluster.add(*nodes[i], pool.loop(i));
  pool.start(*sockets);
  std::printf("listening on %d\n", sockets->port());
  std::fflush(stdout);

  boost::asio::io_context signals(1);
  boost::asio::signal_set stop(signals, SIGINT, SIGTERM);
  stop.async_wait([](const boost::system::error_code&, int) {});
  signals.run();
  pool.stop(std::chrono::seconds(5));
  return 0;
}
