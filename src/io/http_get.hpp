#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/broker_dialer.hpp"
#include "io/http_url.hpp"
#include "io/tls_context.hpp"
#include "io/tls_layer.hpp"

namespace famemely::io {

/// How long an answer may be kept, as its `Cache-Control` and `Age` say (RFC 9111 sections 4.2 and 5.2); nothing if
/// they don't.
[[nodiscard]] std::optional<std::chrono::seconds> freshness(std::string_view cache_control, std::string_view age);

/// One GET at a time, over a connection of its own: for small documents that are fetched now and then. Redirects are
/// not followed, and nothing but an answer 200 is one.
///
/// It must live as long as its loop runs.
class HttpGet {
 public:
  struct Answer {
    std::string body;
    std::optional<std::chrono::seconds> fresh_for{};
  };
  /// Never called from `get`. The fault is a sentence without the URL: what failed and why.
  using Done = std::function<void(Result<Answer, std::string>)>;

  static constexpr std::size_t kBodyBytesMax = 262'144;
  static constexpr std::uint32_t kHeadBytesMax = 16'384;

  /// By `tls` the server proves its name; it must outlive this.
  HttpGet(boost::asio::io_context& loop, const TlsContext& tls);

  /// Ends whatever went on before. The time is for all of it.
  void get(const HttpUrl& url, std::chrono::milliseconds timeout, Done done);

 private:
  using tcp = boost::asio::ip::tcp;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  void on_dialed(Result<tcp::socket, std::string> dialed);
  /// From the beginning.
  void await_answer();
  void send_request();
  void write();
  void read();
  void on_received(std::string_view bytes);
  void on_end();
  void parse();
  void parse_inbox();
  void succeed();
  void fail(std::string what);
  void finish(Result<Answer, std::string> result);
  [[nodiscard]] std::string describe_timeout() const;

  const TlsContext& tls_;
  BrokerDialer dialer_;
  boost::asio::steady_timer timer_;
  tcp::socket socket_;
  HttpUrl url_;
  Done done_;
  std::uint64_t run_ = 0;  // late handlers of an earlier run find another number
  bool dialed_ = false;
  bool asked_ = false;
  std::unique_ptr<TlsLayer> layer_;
  std::string writing_;  // on its way
  std::string pending_;  // after that
  std::string inbox_;    // not parsed yet
  std::optional<Parser> parser_;
  std::array<char, 16'384> buffer_{};
};

}  // namespace famemely::io
