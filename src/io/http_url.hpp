#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace famemely::io {

/// The parts of an `http://` or `https://` URL.
struct HttpUrl {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 80;
  std::string target = "/";  // path and query

  /// The fault says what is wrong with the text, and does not repeat it.
  [[nodiscard]] static Result<HttpUrl, std::string> parse(std::string_view text);

  /// The host is this machine: what is said to it goes over no wire.
  [[nodiscard]] bool is_loopback() const;
  /// `host` or `host:port`, as the header `Host` wants it.
  [[nodiscard]] std::string host_field() const;
  /// For logs: without the query, in which a key may stand.
  [[nodiscard]] std::string shown() const;

  bool operator==(const HttpUrl&) const = default;
};

}  // namespace famemely::io
