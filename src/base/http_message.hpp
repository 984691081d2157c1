#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace famemely {

/// Case-insensitive comparison of ASCII, as header names and most of their values want it.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
/// True if the comma-separated list holds the token (RFC 9110 section 5.6.1), case ignored.
[[nodiscard]] bool list_has_token(std::string_view list, std::string_view token);

/// Header fields in the order of arrival (RFC 9110 section 5).
class HttpFields {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// The first value under this name, or nothing.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] std::string_view value_or(std::string_view name, std::string_view fallback) const {
    return find(name).value_or(fallback);
  }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A request as it stands after parsing; the body is whole.
struct HttpRequest {
  std::string method;
  std::string target;  // as sent: path and query, or a whole URL
  HttpFields fields;
  std::string body;
  std::string remote_address;  // the client's IP address
  bool secure = false;         // the client speaks TLS, with us or with the proxy in front

  /// What the Origin field says of the page that sends this: empty if there is no such field, and `null`, which is said
  /// of pages that are not to be named, if it is there but empty.
  [[nodiscard]] std::string_view origin() const;
  /// The target's path, still percent-encoded.
  [[nodiscard]] std::string_view path() const;
  /// What follows `?`, still percent-encoded; empty if there is none.
  [[nodiscard]] std::string_view query() const;
  /// The decoded value of the first query parameter of that name; nothing if absent or badly encoded.
  /// A raw `+` stays a plus sign: it is MQTT's wildcard.
  [[nodiscard]] std::optional<std::string> query_parameter(std::string_view name) const;
};

/// From where a request comes and what it was sent to: what its answer depends on whatever was asked.
struct RequestSite {
  std::string_view origin;  // HttpRequest::origin
  std::string_view host;
  bool secure = false;
};

struct HttpResponse {
  int status = 200;
  HttpFields fields;  // without Content-Length, Date and Connection: who writes the response adds those
  std::string body;
  bool close = false;  // close the connection after it
};

/// Undoes percent-encoding (RFC 3986 section 2.1); nothing if a `%` is not followed by two hex digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);
/// Encodes everything but unreserved characters.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// The standard reason phrase of a status code (RFC 9110 section 15).
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace famemely
