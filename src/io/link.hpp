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
#include "gateway/bridge.hpp"
#include "io/link_port.hpp"

namespace famemely::io {

struct BrokerAddress {
  std::string host;
  std::uint16_t port = 1883;
  std::chrono::milliseconds connect_timeout{30'000};
};

/// The link to the broker: an actor on a loop. It opens the connection when the bridge wants one, carries bytes both
/// ways, and hands the bridge's events to the workers' gates. All calls are made on its loop's thread, or before that
/// runs.
class Link final : public LinkPort {
 public:
  /// Takes all events for one worker, or none and leaves them: false if the worker is behind; `on_worker_room` follows.
  using Gate = std::function<bool(std::vector<gateway::WorkerEvent>&)>;

  Link(const BrokerAddress& address, boost::asio::io_context& context, gateway::Bridge& bridge, Logger& logger);

  void set_gates(std::vector<Gate> gates) { gates_ = std::move(gates); }
  void start();
  /// From a worker on the same loop: always takes everything.
  bool push(std::size_t worker, std::vector<gateway::LinkCommand>& commands) override;
  void on_worker_room(std::size_t worker);
  /// Says DISCONNECT, closes, and calls `done`.
  void stop(std::function<void()> done);

  [[nodiscard]] boost::asio::io_context& context() { return context_; }

 private:
  using tcp = boost::asio::ip::tcp;

  void open();
  void on_connected(std::uint64_t attempt, const boost::system::error_code& fault);
  void attempt_failed(const std::string& why);
  void read();
  void on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size);
  void write();
  void close();
  void lost(const std::string& why);
  /// Does what the bridge wants after any call to it.
  void follow_up();
  void hand_over();
  void arm_timer();

  BrokerAddress address_;
  boost::asio::io_context& context_;
  gateway::Bridge& bridge_;
  Logger& logger_;
  std::vector<Gate> gates_;
  std::vector<bool> blocked_;  // by worker: its gate was shut
  tcp::resolver resolver_;
  tcp::socket socket_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer connect_timer_;
  Instant timer_armed_ = kNever;
  std::uint64_t attempt_ = 0;  // late handlers of an earlier connection find another number
  bool connecting_ = false;
  bool connected_ = false;
  bool write_blocked_ = false;
  bool stopped_ = false;
  std::string writing_;
  std::size_t written_ = 0;
  std::unique_ptr<std::array<char, 262'144>> buffer_;
};

}  // namespace famemely::io
