#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/engineio/test_bench.hpp"
#include "socketio/node.hpp"

namespace famemely::socketio {

class CollectingLogger final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>& fields) override {
    lines.emplace_back(event);
    for (const LogField& field : fields) lines.back() += " " + std::string(field.name) + "=" + field.value;
  }
  std::vector<std::string> lines;
};

/// One node with clients on WebSockets.
class NodeBench {
 public:
  explicit NodeBench(const Definitions& definitions, const NodeOptions& options = {})
      : node(options, definitions, random_, log) {}

  /// A new client, in no namespace yet.
  ConnectionId open() {
    const ConnectionId connection = ++last_connection_;
    node.transports().on_upgrade(connection, engineio::make_upgrade("EIO=4&transport=websocket", "/socket.io/"), now,
                                 effects_);
    settle();
    network_.received[connection].clear();
    return connection;
  }
  /// A client that has joined; what it was told by then is thrown away.
  ConnectionId join(std::string_view nsp = "/") {
    const ConnectionId connection = open();
    send(connection, nsp == "/" ? "40" : "40" + std::string(nsp) + ",");
    network_.received[connection].clear();
    return connection;
  }
  void send(ConnectionId connection, std::string_view packet) {
    std::string bytes = engineio::masked_text(packet);
    node.transports().on_websocket_bytes(connection, bytes, now, effects_);
    settle();
  }
  void send_binary(ConnectionId connection, std::string_view data) {
    std::string bytes = engineio::masked_binary(data);
    node.transports().on_websocket_bytes(connection, bytes, now, effects_);
    settle();
  }
  void drop(ConnectionId connection) {
    node.transports().on_disconnected(connection, now, effects_);
    settle();
  }
  /// What the client has been sent since the last look.
  std::vector<std::string> received(ConnectionId connection) {
    return std::exchange(network_.received[connection], {});
  }
  void stick(ConnectionId connection) { network_.stuck.push_back(connection); }
  void run(const std::function<void(Node&)>& call) {
    node.within(now, effects_, [&] { call(node); });
    settle();
  }
  void pass(Duration time) {
    now.instant += time;
    node.transports().on_timer(now, effects_);
    node.on_timer(now, effects_);
    settle();
  }
  void settle() {
    do {
      node.process(now, effects_);
      node.transports().end_of_turn(now, effects_);
      network_.apply(std::exchange(effects_.for_io, {}), *this);
    } while (!effects_.for_application.empty() || !effects_.for_io.empty());
  }
  [[nodiscard]] bool is_closed(ConnectionId connection) const { return network_.is_closed(connection); }
  [[nodiscard]] engineio::Network& network() { return network_; }
  [[nodiscard]] Effects& effects() { return effects_; }

  // What the network asks of a machine.
  std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) {
    return node.transports().gather(connection, pieces);
  }
  bool wrote(ConnectionId connection, std::size_t bytes) {
    return node.transports().wrote(connection, bytes, now, effects_);
  }

 private:
  engineio::SeededRandom random_;
  engineio::Network network_;
  Effects effects_;
  ConnectionId last_connection_ = 0;

 public:
  Now now{Instant(std::chrono::hours(1)), {}};
  CollectingLogger log;
  Node node;
};

}  // namespace famemely::socketio
