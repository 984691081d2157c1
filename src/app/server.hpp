#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "app/config.hpp"
#include "app/gateway.hpp"
#include "app/key_keeper.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "io/managed_broker.hpp"
#include "serving/listening_sockets.hpp"

namespace famemely::app {

/// The gateway with all that it needs: its listening sockets, and a broker of its own if that is wished. What is the
/// same whether it is the program or a part of another one.
class Server {
 public:
  /// Serves from here on. The managed broker belongs to the calling thread, which runs `loop` and must not end before
  /// the server does. A failure has been logged, and says what can't be had.
  [[nodiscard]] static Result<std::unique_ptr<Server>, std::string> start(boost::asio::io_context& loop,
                                                                          const Config& config, Logger& logger);

  /// Logs where it listens: whoever reads that may already ask it to stop.
  void announce(Logger& logger) const;
  /// As `Gateway::shut_down`.
  Instant shut_down(std::function<void()> stopped) { return gateway_.shut_down(std::move(stopped)); }
  /// As `Gateway::reload`.
  void reload() const { gateway_.reload(); }

  [[nodiscard]] const serving::ListeningSockets& sockets() const { return sockets_; }
  [[nodiscard]] std::uint16_t broker_port() const { return broker_port_; }

 private:
  Server(boost::asio::io_context& loop, serving::ListeningSockets sockets, std::unique_ptr<io::ManagedBroker> managed,
         std::uint16_t broker_port, const Config& config, Logger& logger);

  serving::ListeningSockets sockets_;
  std::unique_ptr<io::ManagedBroker> managed_;
  std::uint16_t broker_port_;
  Gateway gateway_;
  KeyKeeper keys_;
};

}  // namespace famemely::app
