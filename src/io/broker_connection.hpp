#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/logger.hpp"
#include "gateway/broker_channel.hpp"
#include "io/broker_address.hpp"
#include "io/broker_dialer.hpp"
#include "io/broker_wire.hpp"
#include "serving/system_random.hpp"

namespace famemely::io {

/// The transport of one channel with the broker: opens and closes as the channel wishes, and carries bytes both ways.
/// MQTT on TCP goes from the channel's output to the socket and from the read buffer to the channel as it is; with TLS
/// or a WebSocket a `BrokerWire` lies between. All calls are made on its loop's thread, or before that runs.
class BrokerConnection {
 public:
  /// `on_input` is called after each call to the channel that does not come from `follow_up`.
  BrokerConnection(const BrokerAddress& address, boost::asio::io_context& context, gateway::BrokerChannel& channel,
                   Logger& logger, std::function<void()> on_input);

  /// Does what the channel wishes, and writes its output. True if that called the channel.
  bool follow_up();
  /// Writes what there is, says farewell, and closes once the broker has closed too, or could not be waited for any
  /// longer; then calls `stopped`. Opens no more.
  void stop(Duration patience, std::function<void()> stopped);

 private:
  using tcp = boost::asio::ip::tcp;

  enum class State : std::uint8_t { closed, dialing, shaking_hands, open };

  /// Bytes of MQTT that go through the wire at a time.
  static constexpr std::size_t kChunkBytes = websocket::ClientStream::kFrameBytesMax;

  void open();
  [[nodiscard]] BrokerTarget choose_target();
  void on_timeout();
  void on_dialed(Result<tcp::socket, std::string> dialed);
  void become_open();
  void read();
  void on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size);
  /// The faults say why there can be no more.
  Result<void, std::string> take(std::span<char> bytes);
  [[nodiscard]] std::string describe_end(const boost::system::error_code& fault) const;
  /// True if the channel was told of what was written, or of the end.
  bool write();
  /// Makes `writing_` the next bytes for the socket; false if there are none.
  bool refill();
  [[nodiscard]] bool has_socket() const { return state_ == State::shaking_hands || state_ == State::open; }
  /// The last bytes of the connection, and then none.
  void write_last();
  /// Says farewell on the wire, as far as the socket takes it.
  void say_farewell();
  void close_politely();
  void finish();
  void close();
  void lost(const std::string& why);

  BrokerAddress address_;
  BrokerTarget target_;  // of this attempt
  gateway::BrokerChannel& channel_;
  Logger& logger_;
  std::function<void()> on_input_;
  serving::SystemRandom random_;
  BrokerDialer dialer_;
  tcp::socket socket_;
  boost::asio::steady_timer connect_timer_;
  std::uint64_t attempt_ = 0;           // late handlers of an earlier connection find another number
  std::size_t silent_connections_ = 0;  // in a row, on which no MQTT came: the next one begins at another address
  State state_ = State::closed;
  bool received_ = false;  // any MQTT
  bool write_blocked_ = false;
  bool stopping_ = false;
  std::function<void()> stopped_;
  std::optional<BrokerWire> wire_;
  std::string writing_;  // bytes for the socket
  std::size_t written_ = 0;
  std::string outgoing_;  // only with a wire: MQTT bytes, `taken_` of which have gone into it
  std::size_t taken_ = 0;
  std::size_t carried_ = 0;                            // MQTT bytes that `writing_` carries
  std::string incoming_;                               // only with a wire: scratch
  std::unique_ptr<std::array<char, 262'144>> buffer_;  // while there is a connection
};

}  // namespace famemely::io
