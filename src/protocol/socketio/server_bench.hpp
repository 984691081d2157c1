#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/engineio/test_bench.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::socketio {

inline constexpr const char* kPath = "/socket.io/";

/// A server with the namespace /mqtt that accepts who asks, unless told otherwise, and keeps a diary.
class ServerBench {
 public:
  explicit ServerBench(Options options = {}) : server(with_namespaces(std::move(options)), random_) {}

  void open(ConnectionId connection) {
    server.on_upgrade(connection, engineio::make_upgrade("EIO=4&transport=websocket", kPath), now, effects_);
    turn();
    network.received[connection].clear();
  }
  void join(ConnectionId connection) {
    open(connection);
    text(connection, "40/mqtt,");
    network.received[connection].clear();
    diary.clear();
  }
  void text(ConnectionId connection, std::string_view packet) { bytes(connection, engineio::masked_text(packet)); }
  void bytes(ConnectionId connection, std::string data) {
    server.on_websocket_bytes(connection, data, now, effects_);
    turn();
  }
  void request(ConnectionId connection, const HttpRequest& request) {
    server.on_request(connection, request, now, effects_);
    turn();
  }
  void disconnect(ConnectionId connection) {
    server.on_disconnected(connection, now, effects_);
    turn();
  }
  void pass(Duration time) {
    const Instant end = now.instant + time;
    while (server.next_deadline() <= end) {
      now.instant = std::max(now.instant, server.next_deadline());
      server.on_timer(now, effects_);
      turn();
    }
    now.instant = end;
  }
  void turn() {
    do {
      for (ApplicationEffect& effect : std::exchange(effects_.for_application, {}))
        std::visit([&](auto& happened) { note(happened); }, effect);
      server.end_of_turn(now, effects_);
      network.apply(std::exchange(effects_.for_io, {}), *this);
    } while (!effects_.for_application.empty() || !effects_.for_io.empty());
  }

  // What the network asks of a machine.
  std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) {
    return server.gather(connection, pieces);
  }
  bool wrote(ConnectionId connection, std::size_t bytes) { return server.wrote(connection, bytes, now, effects_); }

  std::vector<std::string>& received(ConnectionId connection) { return network.received[connection]; }
  [[nodiscard]] Effects& effects() { return effects_; }

 private:
  static Options with_namespaces(Options options) {
    options.namespaces = {"/mqtt", "/other"};
    return options;
  }
  static std::string list(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += "|" + item;
    return text;
  }

  void note(ConnectRequested& request) {
    diary.push_back("connect " + request.nsp + request.auth_json);
    last_request = request;
    socket = request.socket;
    if (decide) server.accept(request.socket, now, effects_);
  }
  void note(ConnectRefused& refused) { diary.push_back("refused: " + refused.message); }
  void note(EventReceived& event) {
    diary.push_back(event.name + list(event.args) + (event.ack_id ? " ack " + std::to_string(*event.ack_id) : ""));
    last_event = event;
  }
  void note(AckReceived& ack) { diary.push_back("ack " + std::to_string(ack.ack_id) + list(ack.args)); }
  void note(SocketDisconnected& gone) { diary.emplace_back(to_string(gone.reason)); }
  void note(QueueDrained&) { diary.emplace_back("drained"); }

  engineio::SeededRandom random_;

 public:
  Server server;
  engineio::Network network;
  Now now{Instant(std::chrono::hours(1)), {}};
  bool decide = true;
  SocketId socket;
  std::vector<std::string> diary;
  ConnectRequested last_request;
  EventReceived last_event;

 private:
  Effects effects_;
};

}  // namespace famemely::socketio
