#pragma once

#include <string>
#include <vector>

#include "protocol/engineio/server.hpp"
#include "protocol/engineio/test_bench.hpp"

namespace famemely::engineio {

/// A server that echoes every message and keeps a diary of what happens to its sessions.
class ServerBench {
 public:
  explicit ServerBench(const Options& options = {}) : server(options, random_) {}

  // What the test's clients do.
  std::string open_polling() {
    request(1, make_request("GET", "EIO=4&transport=polling"));
    sid = sid_in(network.last_body(1));
    session = last_opened_;
    return sid;
  }
  void open_websocket(ConnectionId connection) {
    upgrade(connection, make_upgrade("EIO=4&transport=websocket"));
    session = last_opened_;
  }
  void poll(ConnectionId connection) { request(connection, make_request("GET", session_query())); }
  void post(ConnectionId connection, std::string body) {
    request(connection, make_request("POST", session_query(), std::move(body)));
  }
  void probe(ConnectionId connection) { upgrade(connection, make_upgrade(session_query("websocket"))); }
  std::string session_query(const std::string& transport = "polling") {
    return "EIO=4&transport=" + transport + "&sid=" + sid;
  }

  void request(ConnectionId connection, const HttpRequest& request) {
    server.on_request(connection, request, now, io_);
    drain();
    turn();
  }
  void upgrade(ConnectionId connection, const HttpRequest& request) {
    server.on_upgrade(connection, request, now, io_);
    drain();
    turn();
  }
  void bytes(ConnectionId connection, std::string data) {
    server.on_websocket_bytes(connection, data);
    drain();
    turn();
  }
  void text(ConnectionId connection, std::string_view message) { bytes(connection, masked_text(message)); }
  void disconnect(ConnectionId connection) {
    server.on_disconnected(connection, now, io_);
    drain();
    turn();
  }
  bool start(ConnectionId connection, const HttpRequest& head) {
    const bool wanted = server.on_request_started(connection, head, now, io_);
    drain();
    turn();
    return wanted;
  }
  void pass(Duration time) {
    const Instant end = now.instant + time;
    while (server.next_deadline() <= end) {
      now.instant = std::max(now.instant, server.next_deadline());
      server.on_timer(now, io_);
      drain();
      turn();
    }
    now.instant = end;
  }
  struct Writer {
    ServerBench& bench;
    std::size_t gather(ConnectionId connection, std::span<Piece> pieces) {
      return bench.server.gather(connection, pieces);
    }
    bool wrote(ConnectionId connection, std::size_t bytes) {
      const bool more = bench.server.wrote(connection, bytes, bench.io_);
      bench.drain();
      return more;
    }
  };
  Writer writer() { return {*this}; }
  void turn() {
    server.end_of_turn(now, io_);
    drain();
    Writer out = writer();
    while (!io_.empty()) network.apply(std::exchange(io_, {}), out);
  }
  void drain() {
    while (const auto event = server.next(now, io_)) {
      if (const auto* opened = std::get_if<SessionOpened>(&*event)) {
        last_opened_ = opened->session;
        diary.emplace_back("opened");
      } else if (const auto* message = std::get_if<MessageReceived>(&*event)) {
        diary.push_back((message->binary ? "binary:" : "message:") + std::string(message->data));
        if (echo)
          server.send(message->session, message->binary ? make_binary_frame(message->data)
                                                        : make_text_frame("4" + std::string(message->data)));
      } else if (const auto* closed = std::get_if<SessionClosed>(&*event)) {
        static constexpr const char* kNames[] = {"transport close", "transport error", "ping timeout", "parse error",
                                                 "forced close"};
        diary.emplace_back(kNames[static_cast<std::size_t>(closed->reason)]);
      } else {
        diary.emplace_back("drained");
      }
    }
  }

 private:
  SeededRandom random_;

 public:
  Server server;
  Network network;
  Now now{Instant(std::chrono::hours(1)), {}};
  std::string sid;
  SessionId session;
  std::vector<std::string> diary;
  bool echo = false;

 private:
  SessionId last_opened_;
  IoEffects io_;
};

}  // namespace famemely::engineio
