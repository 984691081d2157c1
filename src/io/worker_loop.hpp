#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/logger.hpp"
#include "gateway/application.hpp"
#include "io/connection.hpp"
#include "io/http_reader.hpp"
#include "io/link_port.hpp"
#include "io/turn_pace.hpp"

namespace famemely::io {

struct WorkerLoopOptions {
  std::size_t worker = 0;
  std::size_t workers = 1;
  HttpLimits http;
  /// A request must be complete, or begin, within this time.
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};
  /// What the link brings is queued in portions of this size, each written before the next: so a client that keeps up
  /// never has more in its queue, however much comes at once.
  std::size_t portion_bytes = 1'000'000;
};

/// One worker: an event loop with its acceptors and its connections. It reads, calls the application, and does what the
/// effects say. What a turn of the loop queues for a client leaves in one gathered write at the turn's end.
///
/// All functions but `adopt` are called on the loop's thread, or before it runs.
class WorkerLoop {
 public:
  WorkerLoop(const WorkerLoopOptions& options, boost::asio::io_context& context, gateway::Application& application,
             Logger& logger);
  ~WorkerLoop();
  WorkerLoop(const WorkerLoop&) = delete;
  WorkerLoop& operator=(const WorkerLoop&) = delete;

  /// Who to hand connections of other workers' sessions to; the worker's own place may hold anything.
  void set_peers(std::vector<WorkerLoop*> peers) { peers_ = std::move(peers); }
  void set_link(LinkPort& link) { link_ = &link; }
  /// Takes the descriptors over and begins to accept.
  void listen(const std::vector<int>& descriptors);

  /// What the link has for this worker; the vector is emptied.
  void on_link_events(std::vector<gateway::WorkerEvent>& events);
  /// The link has room again for commands that it did not take.
  void on_link_room();
  /// A connection that another worker accepted, with what it has read of it. Callable from any thread.
  void adopt(MovedConnection moved);

  /// Stops accepting, lets the application close what is open, and calls `drained` once nothing is left, or at the
  /// deadline.
  void begin_shutdown(Instant deadline, std::function<void()> drained);

  [[nodiscard]] boost::asio::io_context& context() { return context_; }

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  void accept_ready(std::size_t acceptor);
  void wait_for_connections(std::size_t acceptor);
  Connection* add(int descriptor, std::string remote_address);
  Connection* find(socketio::ConnectionId id) { return connections_.find(id); }

  void wait_readable(Connection& connection);
  void on_readable(socketio::ConnectionId id);
  void on_closed_by_peer(Connection& connection);
  void drop(Connection& connection);

  void read_requests(socketio::ConnectionId id);
  /// False if the connection has left or is being closed.
  bool on_head(Connection& connection);
  void on_complete(Connection& connection);
  void refuse(Connection& connection, int status, const std::string& what);
  void move_to(std::size_t worker, Connection& connection);

  void respond(Connection& connection, HttpResponse response);
  void accept_upgrade(Connection& connection, HttpResponse response);
  void flush(Connection& connection);
  /// False if the connection is gone or can't take more now.
  bool flush_text(Connection& connection);
  bool flush_frames(Connection& connection);
  bool send_failed(Connection& connection, int fault);
  void finish_response(Connection& connection);

  void begin_turn();
  void settle();
  void schedule_end_of_turn();
  void end_turn();
  void push_commands();
  void arm_timer();
  void on_timer();
  void close_overdue(Instant instant);
  void check_drained();

  WorkerLoopOptions options_;
  boost::asio::io_context& context_;
  gateway::Application& application_;
  socketio::Server& server_;
  Logger& logger_;
  LinkPort* link_ = nullptr;
  std::vector<WorkerLoop*> peers_;
  std::vector<Acceptor> acceptors_;
  ConnectionTable connections_;
  socketio::Effects effects_;
  std::vector<engineio::IoEffect> applied_;  // scratch of `settle`
  Now now_;
  TurnPace pace_;
  Timer timer_;
  Instant timer_armed_ = kNever;
  Instant next_sweep_ = kNever;
  bool turn_scheduled_ = false;
  bool settling_ = false;
  bool link_full_ = false;
  Instant shutdown_deadline_ = kNever;
  std::function<void()> drained_;
  std::unique_ptr<std::array<char, 65'536>> buffer_;
};

}  // namespace famemely::io
