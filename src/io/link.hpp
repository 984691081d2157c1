#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/logger.hpp"
#include "gateway/bridge.hpp"
#include "io/broker_connection.hpp"
#include "io/link_port.hpp"
#include "serving/turn_pace.hpp"

namespace famemely::io {

/// The link to the broker: an actor on a loop. It gives each channel of the bridge a connection, and hands the bridge's
/// events to the workers' gates. All calls are made on its loop's thread, or before that runs.
class Link final : public LinkPort {
 public:
  /// Takes all events for one worker, or none and leaves them: false if the worker is behind; `on_worker_room` follows.
  using Gate = std::function<bool(std::vector<gateway::WorkerEvent>&)>;

  /// `own_loop`: no worker shares the loop.
  Link(const BrokerAddress& address, boost::asio::io_context& context, gateway::Bridge& bridge, bool own_loop,
       Logger& logger);

  void set_gates(std::vector<Gate> gates) { gates_ = std::move(gates); }
  void start();
  /// From a worker on the same loop: always takes everything.
  bool push(std::size_t worker, std::vector<gateway::LinkCommand>& commands) override;
  void on_worker_room(std::size_t worker);
  /// Says DISCONNECT, lets the broker read it and close, for as long as `patience` lasts, and calls `done`.
  void stop(Duration patience, std::function<void()> done);

  [[nodiscard]] boost::asio::io_context& context() { return context_; }

 private:
  /// Does what the bridge wants after any call to it.
  void follow_up();
  void add_connections();
  void hand_over();
  void arm_timer();

  BrokerAddress address_;
  boost::asio::io_context& context_;
  gateway::Bridge& bridge_;
  Logger& logger_;
  const bool own_loop_;
  serving::TurnPace pace_;
  std::uint64_t messages_seen_ = 0;
  std::vector<Gate> gates_;
  std::vector<bool> blocked_;                                   // by worker: its gate was shut
  std::vector<std::unique_ptr<BrokerConnection>> connections_;  // one for each channel of the bridge
  std::size_t stopping_ = 0;                                    // connections that have yet to close for good
  boost::asio::steady_timer timer_;
  Instant timer_armed_ = kNever;
};

}  // namespace famemely::io
