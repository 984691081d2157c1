#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/logger.hpp"
#include "gateway/broker_channel.hpp"

namespace famemely::io {

struct BrokerAddress {
  std::string host;
  std::uint16_t port = 1883;
  std::chrono::milliseconds connect_timeout{30'000};
};

/// The transport of one channel with the broker: opens and closes as the channel wishes, and carries bytes both ways.
/// All calls are made on its loop's thread, or before that runs.
class BrokerConnection {
 public:
  /// `on_input` is called after each call to the channel that does not come from `follow_up`.
  BrokerConnection(const BrokerAddress& address, boost::asio::io_context& context, gateway::BrokerChannel& channel,
                   Logger& logger, std::function<void()> on_input);

  /// Does what the channel wishes, and writes its output. True if that called the channel.
  bool follow_up();
  /// Writes what can be written at once, closes, and opens no more.
  void stop();

 private:
  using tcp = boost::asio::ip::tcp;

  void open();
  void on_connected(std::uint64_t attempt, const boost::system::error_code& fault);
  void read();
  void on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size);
  /// True if the channel was told of what was written, or of the end.
  bool write();
  void close();
  void lost(const std::string& why);

  BrokerAddress address_;
  gateway::BrokerChannel& channel_;
  Logger& logger_;
  std::function<void()> on_input_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  boost::asio::steady_timer connect_timer_;
  std::uint64_t attempt_ = 0;  // late handlers of an earlier connection find another number
  bool connecting_ = false;
  bool connected_ = false;
  bool write_blocked_ = false;
  bool stopped_ = false;
  std::string writing_;
  std::size_t written_ = 0;
  std::unique_ptr<std::array<char, 262'144>> buffer_;  // while there is a connection
};

}  // namespace famemely::io
