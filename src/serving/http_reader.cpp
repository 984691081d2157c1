#include "serving/http_reader.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <stdexcept>
#include <utility>

namespace famemely::serving {
namespace http = boost::beast::http;
namespace {

constexpr std::size_t kFieldBytesMax = 65'535;  // that Beast can keep: it throws at a longer name or value

}  // namespace

HttpReader::Step HttpReader::next() {
  if (!parser_) {
    // Empty lines before a request are skipped (RFC 9112 section 2.2).
    const std::size_t first = std::min(inbox_.find_first_not_of("\r\n"), inbox_.size());
    inbox_.erase(0, first);
    if (inbox_.empty()) return NeedMore{};
    parser_.emplace();
    parser_->eager(false);
    parser_->header_limit(static_cast<std::uint32_t>(limits_.head_bytes_max));
    parser_->body_limit(boost::none);
    parsed_ = 0;
    head_told_ = false;
  }
  try {
    return head_told_ ? read_body() : read_head();
  } catch (const std::length_error&) {
    return Fault{431, fmt::format("A header or trailer field over {} bytes", kFieldBytesMax)};
  }
}

HttpReader::Step HttpReader::read_head() {
  boost::beast::error_code fault;
  // The parser takes the start line by itself and the fields all at once; the bytes stay in the inbox for take_raw().
  parsed_ += parser_->put(boost::asio::buffer(inbox_) + parsed_, fault);
  const std::size_t head_bytes = parser_->is_header_done() ? parsed_ : inbox_.size();  // or what there is of it
  if (fault == http::error::header_limit || head_bytes > limits_.head_bytes_max)
    return Fault{431, fmt::format("Request head over {} bytes", limits_.head_bytes_max)};
  if (fault == http::error::need_more || (!fault && !parser_->is_header_done())) return NeedMore{};
  if (fault) return Fault{400, "Malformed HTTP request: " + fault.message()};
  fill_head();
  // A body whose end is found in another way than by chunks or a length ends nowhere in a request (RFC 9112
  // section 6.3).
  for (const auto& [name, value] : request_.fields)
    if (equals_ignoring_case(name, "Transfer-Encoding") && !equals_ignoring_case(value, "chunked"))
      return Fault{400, "Transfer-Encoding must be chunked"};
  if (request_.fields.size() > limits_.fields_max)
    return Fault{431, fmt::format("More than {} header fields", limits_.fields_max)};
  head_told_ = true;
  return Head{};
}

HttpReader::Step HttpReader::read_body() {
  // Only now, so that the caller has the head by then and knows how to say it.
  if (is_too_large())
    return Fault{413,
                 fmt::format("Body of {} bytes, allowed are {}", *parser_->content_length(), limits_.body_bytes_max)};
  while (!parser_->is_done()) {
    boost::beast::error_code fault;
    const auto rest = boost::asio::buffer(inbox_) + parsed_;
    if (parser_->chunked() && rest.size() < kLastChunkBytes) {
      inbox_.erase(0, std::exchange(parsed_, 0));
      return NeedMore{};
    }
    const std::size_t taken = parser_->put(rest, fault);
    parsed_ += taken;
    if (fault && fault != http::error::need_more) return Fault{400, "Malformed HTTP body: " + fault.message()};
    if (parser_->get().body().size() > limits_.body_bytes_max)
      return Fault{413, fmt::format("Body over {} bytes", limits_.body_bytes_max)};
    if (parser_->is_done()) break;
    if (taken == 0 || fault == http::error::need_more) {
      inbox_.erase(0, parsed_);
      parsed_ = 0;
      // What is not of the body: an extension of a chunk, or the trailer, of which Beast waits for the end.
      if (inbox_.size() > limits_.head_bytes_max)
        return Fault{431, fmt::format("A chunk's extension or a trailer over {} bytes", limits_.head_bytes_max)};
      return NeedMore{};
    }
  }
  request_.body = std::move(parser_->get().body());
  inbox_.erase(0, parsed_);
  parsed_ = 0;
  return Complete{};
}

bool HttpReader::is_too_large() const {
  const auto length = parser_->content_length();
  return length && *length > limits_.body_bytes_max;
}

void HttpReader::fill_head() {
  const auto& message = parser_->get();
  request_ = HttpRequest{};
  request_.method = std::string(message.method_string());
  request_.target = std::string(message.target());
  for (const auto& field : message) request_.fields.add(std::string(field.name_string()), std::string(field.value()));
  keep_alive_ = parser_->keep_alive();
  upgrades_ = parser_->upgrade() && equals_ignoring_case(request_.fields.value_or("Upgrade", ""), "websocket");
  expects_continue_ = equals_ignoring_case(request_.fields.value_or("Expect", ""), "100-continue") && !is_too_large();
}

std::size_t HttpReader::body_bytes_expected() const {
  return static_cast<std::size_t>(std::min<std::uint64_t>(
      parser_->content_length_remaining().value_or(parser_->chunked() ? limits_.body_bytes_max : 0),
      limits_.body_bytes_max));
}

HttpRequest HttpReader::take_request() {
  parser_.reset();
  head_told_ = false;
  return std::exchange(request_, {});
}

std::string HttpReader::take_raw() {
  parser_.reset();
  head_told_ = false;
  parsed_ = 0;
  return std::exchange(inbox_, {});
}

std::string serialize(const HttpResponse& response, bool head_only, bool keep_alive) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  text.reserve(text.size() + 256 + response.body.size());
  for (const auto& [name, value] : response.fields) text.append(name).append(": ").append(value).append("\r\n");
  if (response.status == 101) return text.append("\r\n");
  // A 204 has no length, and that of a 304 would be the length of what is not sent (RFC 9110 section 8.6).
  if (response.status != 204 && response.status != 304)
    fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", response.body.size());
  text.append(keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (!head_only) text.append(response.body);
  return text;
}

}  // namespace famemely::serving
