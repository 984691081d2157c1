#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace famemely::io {

/// The order in which the addresses of a host are tried: the families take turns, beginning with that of the first one
/// (RFC 8305 section 4), and the list begins at place `first`, so that a host of which one address answers badly is not
/// called there again at once.
[[nodiscard]] std::vector<boost::asio::ip::tcp::endpoint> order_of_attempts(
    const std::vector<boost::asio::ip::tcp::endpoint>& found, std::size_t first);

/// Finds the addresses of a host and connects to the first that answers ("happy eyeballs", RFC 8305): the next one is
/// called when the one before has failed, or has been silent for a moment.
class BrokerDialer {
 public:
  using tcp = boost::asio::ip::tcp;
  /// Never called from `dial`. The fault is a sentence: what failed and why.
  using Done = std::function<void(Result<tcp::socket, std::string>)>;

  static constexpr std::chrono::milliseconds kStagger{250};
  static constexpr std::size_t kAddressesMax = 16;

  explicit BrokerDialer(boost::asio::io_context& context);

  /// Ends whatever went on before. `first` is taken modulo the number of addresses.
  void dial(const std::string& host, std::uint16_t port, std::size_t first, Done done);
  /// The same without the look-up: these are the addresses, in this order.
  void dial_all(std::vector<tcp::endpoint> endpoints, Done done);
  /// `done` is not called any more.
  void cancel();
  /// What to say when the time is over at this point.
  [[nodiscard]] std::string describe_timeout() const;

 private:
  struct Attempt {
    tcp::endpoint endpoint;
    tcp::socket socket;
    std::optional<std::string> fault{};
  };

  void begin_all(std::vector<tcp::endpoint> endpoints);
  void begin_next();
  void on_attempt(std::uint64_t run, std::size_t index, const boost::system::error_code& fault);
  void finish(Result<tcp::socket, std::string> result);
  /// ` (address: what became of it; …)`, if there are several.
  [[nodiscard]] std::string each_attempt(std::string_view silent) const;

  boost::asio::io_context& context_;
  tcp::resolver resolver_;
  boost::asio::steady_timer stagger_;
  std::string host_;
  std::uint16_t port_ = 0;
  Done done_;
  std::uint64_t run_ = 0;  // late handlers of an earlier run find another number
  bool resolved_ = false;
  std::vector<tcp::endpoint> endpoints_;
  std::vector<Attempt> attempts_;  // the first ones of them; reserved, so that handlers may rely on their places
};

}  // namespace famemely::io
