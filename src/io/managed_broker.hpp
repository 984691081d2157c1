#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/logger.hpp"
#include "base/result.hpp"
#include "io/child_process.hpp"

namespace famemely::io {

/// PATH, and `/usr/sbin` and `/usr/local/sbin`, which a plain user's PATH lacks and where Debian puts mosquitto.
[[nodiscard]] std::vector<std::string> broker_directories();

struct ManagedBrokerOptions {
  std::uint16_t port = 0;  // 0: a free one, kept over restarts
  std::vector<std::string> directories = broker_directories();
  std::chrono::milliseconds start_timeout{10'000};
  std::chrono::milliseconds stop_timeout{3'000};
  std::chrono::milliseconds restart_delay_min{100};
  std::chrono::milliseconds restart_delay_max{5'000};
};

/// A mosquitto of our own on 127.0.0.1, open to every program of this machine, that keeps nothing on disk: started
/// with the gateway, started again when it dies, gone with the gateway. It reads its configuration from memory, so
/// that a gateway which is killed leaves no file behind.
class ManagedBroker {
 public:
  /// Blocks until it takes connections. To be called on the main thread, which then runs `main_loop` until the broker
  /// is destroyed: the child lives as long as the thread that forks it. The logger must outlive the broker.
  [[nodiscard]] static Result<std::unique_ptr<ManagedBroker>, std::string> start(boost::asio::io_context& main_loop,
                                                                                 ManagedBrokerOptions options,
                                                                                 Logger& logger);

  ManagedBroker(const ManagedBroker&) = delete;
  ManagedBroker& operator=(const ManagedBroker&) = delete;
  /// Stops the child: SIGTERM, and SIGKILL after `stop_timeout`. On the main thread, with no handler running, and
  /// `main_loop` runs none of the broker's handlers afterwards.
  ~ManagedBroker();

  [[nodiscard]] std::uint16_t port() const { return options_.port; }
  /// 0 while it waits to be started again.
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }

 private:
  ManagedBroker(boost::asio::io_context& main_loop, ManagedBrokerOptions options, std::string program, Logger& logger);

  [[nodiscard]] Result<void, std::string> launch();
  [[nodiscard]] Result<void, std::string> await_listening();
  void supervise();
  void watch_for_end();
  void read_output();
  void note_output(std::string_view text);
  void restart_later(const std::string& reason);
  void arm_restart();
  void restart();

  boost::asio::io_context& loop_;
  ManagedBrokerOptions options_;
  std::string program_;
  Logger& logger_;
  int configuration_ = -1;  // a file in memory

  std::unique_ptr<ChildProcess> child_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::milliseconds restart_delay_;
  std::string last_line_;  // of the child's output: its reason, when it ends

  boost::asio::signal_set child_signals_;
  boost::asio::posix::stream_descriptor output_;
  boost::asio::steady_timer restart_timer_;
  std::array<char, 1024> output_buffer_;
};

}  // namespace famemely::io
