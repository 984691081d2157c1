#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limit_counters.hpp"
#include "base/logger.hpp"
#include "protocol/socketio/service.hpp"
#include "serving/connection.hpp"
#include "serving/http_reader.hpp"
#include "serving/turns.hpp"

namespace famemely::serving {

struct ConnectionOptions {
  std::size_t worker = 0;
  std::size_t workers = 1;
  HttpLimits http{};
  /// A request must be complete, or begin, within this time.
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};
  LimitCounters* limit_counters = nullptr;
};

/// The connections of one worker: reads requests and frames, gives them to the service, and writes what it answers.
/// What a turn of the loop queues for a client leaves in one gathered write.
class Connections {
 public:
  Connections(const ConnectionOptions& options, boost::asio::io_context& context, socketio::Service& service,
              Turns& turns, Logger& logger);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// Who to hand connections of other workers' sessions to; the worker's own place may hold anything.
  void set_peers(std::vector<Connections*> peers) { peers_ = std::move(peers); }

  /// A connection that has just been accepted.
  void take(int descriptor, std::string remote_address);
  /// A connection that another worker accepted, with what it has read of it. Callable from any thread.
  void adopt(MovedConnection moved);

  void apply(engineio::IoEffect& effect);
  /// Drops those whose request or silence has lasted too long.
  void close_overdue();
  /// From now on every response is a connection's last.
  void begin_leaving() { leaving_ = true; }
  /// True if no request waits for an answer, and no answer for being written.
  [[nodiscard]] bool quiet();

 private:
  Connection* add(int descriptor, std::string remote_address);
  Connection* find(socketio::ConnectionId id) { return table_.find(id); }
  void move_to(std::size_t worker, Connection& connection);
  void drop(Connection& connection);

  void wait_readable(Connection& connection);
  void on_readable(socketio::ConnectionId id);
  void on_closed_by_peer(Connection& connection);
  void read_requests(socketio::ConnectionId id);
  /// False if the connection has left or is being closed.
  bool on_head(Connection& connection);
  void on_complete(Connection& connection);
  void refuse(Connection& connection, int status, const std::string& what);

  void respond(Connection& connection, HttpResponse response);
  void accept_upgrade(Connection& connection, HttpResponse response);
  void flush(Connection& connection);
  /// False if the connection is gone or can't take more now.
  bool flush_text(Connection& connection);
  bool flush_frames(Connection& connection);
  bool send_failed(Connection& connection, int fault);
  void finish_response(Connection& connection);

  ConnectionOptions options_;
  boost::asio::io_context& context_;
  socketio::Service& service_;
  socketio::Transports& transports_;
  Turns& turns_;
  Logger& logger_;
  std::vector<Connections*> peers_;
  ConnectionTable table_;
  bool leaving_ = false;
  std::unique_ptr<std::array<char, 65'536>> buffer_;
};

}  // namespace famemely::serving
