#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/logger.hpp"

namespace famemely::serving {

/// Accepts what comes to the listening sockets of one worker.
class Acceptors {
 public:
  /// `begin` is called once before each batch, `accepted` for each connection: its descriptor is the callee's, the text
  /// is the peer's address.
  Acceptors(boost::asio::io_context& context, Logger& logger, std::function<void()> begin,
            std::function<void(int descriptor, std::string address)> accepted);

  /// Takes the descriptors over and begins to accept.
  void listen(const std::vector<int>& descriptors);
  /// Accepts whoever waits already, and then no more. To be called within a turn.
  void close();

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  enum class Backlog : std::uint8_t { empty, more, failed };

  void wait(std::size_t acceptor);
  void on_ready(std::size_t acceptor);
  [[nodiscard]] Backlog accept_batch(Acceptor& acceptor);

  boost::asio::io_context& context_;
  Logger& logger_;
  const std::function<void()> begin_;
  const std::function<void(int, std::string)> accepted_;
  std::vector<Acceptor> acceptors_;
};

/// The family of a socket's address.
[[nodiscard]] boost::asio::ip::tcp family_of(int descriptor);

}  // namespace famemely::serving
