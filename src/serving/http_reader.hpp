#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/http_message.hpp"

namespace famemely::serving {

/// `0`, and two line ends. Beast ends the process (`n >= 5` in basic_parser) if it is shown the last chunk's size again
/// before all five of its bytes are there; no chunked body has less to come than these, so it is not shown less.
inline constexpr std::size_t kLastChunkBytes = 5;

struct HttpLimits {
  std::size_t head_bytes_max = 16'384;
  std::size_t fields_max = 100;
  std::size_t body_bytes_max = 1'000'000;
};

/// Takes the bytes of one connection and finds HTTP/1.1 requests in them, one after the other (Beast does the parsing).
/// The head is told apart from the whole request, because a connection may have to move to another worker, and a body
/// be refused, before the body is here.
class HttpReader {
 public:
  struct NeedMore {};
  /// The head of a request is complete: `head()` and `raw()` hold it. Told once a request.
  struct Head {};
  /// The body is complete: `take_request()` yields it.
  struct Complete {};
  /// Answer with this status and close the connection: what follows can't be told apart any more.
  struct Fault {
    int status;
    std::string what;
  };
  using Step = std::variant<NeedMore, Head, Complete, Fault>;

  explicit HttpReader(const HttpLimits& limits) : limits_(limits) {}

  void append(std::string_view bytes) { inbox_.append(bytes); }
  /// Goes one step on. After `Complete` the next call begins the next request; call `take_request` before.
  [[nodiscard]] Step next();

  /// The request whose head is complete, its body empty.
  [[nodiscard]] const HttpRequest& head() const { return request_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] bool upgrades_to_websocket() const { return upgrades_; }
  /// Of the body whose head is here: its length, or what it may be at most.
  [[nodiscard]] std::size_t body_bytes_expected() const;
  [[nodiscard]] HttpRequest take_request();

  /// All bytes since the head's first one, or since the last complete request: for another worker's reader, or for the
  /// protocol that follows an upgrade.
  [[nodiscard]] std::string take_raw();
  [[nodiscard]] std::size_t buffered() const { return inbox_.size(); }
  /// True if a request has begun and is not complete.
  [[nodiscard]] bool inside_request() const { return parser_.has_value() || !inbox_.empty(); }

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  Step read_head();
  Step read_body();
  void fill_head();
  [[nodiscard]] bool is_too_large() const;

  HttpLimits limits_;
  std::string inbox_;
  std::size_t parsed_ = 0;  // bytes of the inbox that the parser has taken
  std::optional<Parser> parser_;
  HttpRequest request_;
  bool head_told_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool upgrades_ = false;
};

/// The response's bytes, Content-Length, Connection and (unless told to close) nothing else added.
[[nodiscard]] std::string serialize(const HttpResponse& response, bool head_only, bool keep_alive);

}  // namespace famemely::serving
