#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/logger.hpp"
#include "protocol/socketio/service.hpp"
#include "serving/acceptors.hpp"
#include "serving/connections.hpp"
#include "serving/turns.hpp"

namespace famemely::serving {

/// One worker: an event loop with its acceptors and its connections. It reads, calls the service, and does what the
/// effects say.
///
/// All functions are called on the loop's thread, or before it runs.
class WorkerLoop final : private Turns::Parts {
 public:
  WorkerLoop(const ConnectionOptions& options, boost::asio::io_context& context, socketio::Service& service,
             Logger& logger);
  WorkerLoop(const WorkerLoop&) = delete;
  WorkerLoop& operator=(const WorkerLoop&) = delete;

  /// Who to hand connections of other workers' sessions to; the worker's own place may hold anything.
  void set_peers(const std::vector<WorkerLoop*>& peers);
  /// Called at each end of a turn, before what is queued leaves; what it does is part of the turn.
  void set_before_end(std::function<void()> before_end) { before_end_ = std::move(before_end); }
  /// Takes the descriptors over and begins to accept.
  void listen(const std::vector<int>& descriptors);

  /// For what arrives otherwise than through a connection: between `begin` and `schedule_end` of these, the service may
  /// be called with their `now` and `effects`.
  [[nodiscard]] Turns& turns() { return turns_; }

  /// Stops accepting, reads what had been sent, lets the service close what is open, and calls `drained` once nothing
  /// is left, or at the deadline. After that nothing is taken up any more.
  void begin_shutdown(Instant deadline, std::function<void()> drained);

  [[nodiscard]] boost::asio::io_context& context() { return context_; }

 private:
  void apply(engineio::IoEffect& effect) override { connections_.apply(effect); }
  void before_end() override;
  void after_end() override;
  void arm_timer();
  void on_timer();
  /// What had been sent is read once nothing more comes for a while, which is a short one.
  void look_for_last_reads(Now now);
  void check_drained();

  boost::asio::io_context& context_;
  socketio::Service& service_;
  Turns turns_;
  Connections connections_;
  Acceptors acceptors_;
  std::function<void()> before_end_;
  Timer timer_;
  Instant timer_armed_ = kNever;
  Instant next_sweep_ = kNever;
  Instant next_look_ = kNever;  // for last reads
  Instant last_reads_until_ = kNever;
  std::uint64_t reads_seen_ = 0;
  Instant shutdown_deadline_ = kNever;
  std::function<void()> drained_;
};

}  // namespace famemely::serving
