#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limit_counters.hpp"
#include "base/logger.hpp"
#include "protocol/socketio/service.hpp"
#include "serving/connection.hpp"
#include "serving/connection_limits.hpp"
#include "serving/http_reader.hpp"
#include "serving/tls_server.hpp"
#include "serving/trusted_proxies.hpp"
#include "serving/turns.hpp"

namespace famemely::serving {

struct ConnectionOptions {
  std::size_t worker = 0;
  std::size_t workers = 1;
  HttpLimits http{};
  /// A connection's first request must begin, and the head of any be complete, within this time.
  std::chrono::milliseconds head_timeout{15'000};
  /// A body must come, and a response be taken, within this time and what its bytes take at the lowest speed.
  std::chrono::milliseconds transfer_timeout{30'000};
  std::size_t bytes_per_second_min = 16'384;
  std::chrono::milliseconds idle_timeout{75'000};
  TrustedProxies trusted_proxies{};
  ConnectionLimits* limits = nullptr;
  TlsServer* tls = nullptr;  // none: plain HTTP is served
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
  /// From now on every response is a connection's last, but for those of polling sessions, and there are no new
  /// sessions.
  void begin_leaving() { leaving_ = true; }
  /// True if no request has begun or waits for an answer, and no answer for being written.
  [[nodiscard]] bool quiet();
  /// Closes those on which no answer is under way, which clients take as a reason to ask elsewhere, and takes no
  /// others.
  void close_for_good();
  /// How often something has been read.
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

 private:
  Connection* add(int descriptor, std::string remote_address, engineio::Admission::Place place);
  /// Tells a newcomer that there is no place, as long as there are few to be told.
  void turn_away(int descriptor, std::string remote_address, const engineio::Admission::Refusal& refusal);
  Connection* find(socketio::ConnectionId id) { return table_.find(id); }
  void move_to(std::size_t worker, Connection& connection);
  void drop(Connection& connection);

  void wait_readable(Connection& connection);
  void on_readable(socketio::ConnectionId id);
  void on_bytes(socketio::ConnectionId id, std::span<char> bytes);
  void on_closed_by_peer(Connection& connection);
  void read_requests(socketio::ConnectionId id);
  /// False if the connection has left or is being closed.
  bool on_head(Connection& connection);
  void on_complete(Connection& connection);
  void refuse(Connection& connection, int status, const std::string& what);
  void answer_and_close(Connection& connection, int status, const std::string& what);
  /// From whom the request is, and whether so many may come.
  [[nodiscard]] bool check_sender(Connection& connection);
  /// Of those that speak for others.
  [[nodiscard]] bool is_proxy(std::string_view remote_address) const;
  void on_overdue(Connection& connection);
  [[nodiscard]] Duration transfer_time(std::size_t bytes) const;

  void respond(Connection& connection, HttpResponse response);
  void accept_upgrade(Connection& connection, HttpResponse response);
  void flush(Connection& connection);
  /// False if the connection is gone or can't take more now.
  bool flush_text(Connection& connection);
  bool flush_frames(Connection& connection);
  ssize_t write_pieces(Connection& connection, const iovec* pieces, std::size_t count);
  bool send_failed(Connection& connection, int fault);
  void finish_response(Connection& connection);
  /// Says that nothing more is sent, and reads on for a moment, so that the last words are not lost.
  void end_in_peace(Connection& connection);

  // TLS (connections_tls.cpp)
  /// False if the connection is gone.
  bool on_wire_bytes(socketio::ConnectionId id, std::string_view wire);
  /// False if the connection is gone or can't take more now.
  bool flush_wire(Connection& connection);
  ssize_t write_through_tls(Connection& connection, const iovec* pieces, std::size_t count);
  void say_goodbye(Connection& connection);

  /// Goes on to the next request, once the answers to those before are written.
  void go_on_reading(Connection& connection);

  ConnectionOptions options_;
  boost::asio::io_context& context_;
  socketio::Service& service_;
  socketio::Transports& transports_;
  Turns& turns_;
  Logger& logger_;
  std::vector<Connections*> peers_;
  Allowance turned_away_;
  ConnectionTable table_;
  bool leaving_ = false;
  bool closed_ = false;
  std::uint64_t reads_ = 0;
  std::unique_ptr<std::array<char, 65'536>> buffer_;
  std::string clear_;  // scratch of `on_wire_bytes`
};

}  // namespace famemely::serving
