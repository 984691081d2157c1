#include "io/http_get.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "base/http_message.hpp"
#include "serving/http_reader.hpp"

namespace famemely::io {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Delta-seconds (RFC 9111 section 1.2.2): more than can be said is very long.
std::optional<std::chrono::seconds> read_seconds(std::string_view text) {
  constexpr std::int64_t kVeryLong = std::int64_t{1} << 31;
  std::int64_t seconds = 0;
  const char* const last = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), last, seconds);
  if (text.empty() || text.front() == '-' || stop != last) return std::nullopt;
  return std::chrono::seconds(fault == std::errc::result_out_of_range ? kVeryLong : std::min(seconds, kVeryLong));
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::optional<std::chrono::seconds> freshness(std::string_view cache_control, std::string_view age) {
  std::optional<std::chrono::seconds> lifetime;
  while (!cache_control.empty()) {
    const std::size_t end = std::min(cache_control.find(','), cache_control.size());
    const std::string_view directive = trimmed(cache_control.substr(0, end));
    cache_control.remove_prefix(std::min(end + 1, cache_control.size()));
    const std::size_t equals = std::min(directive.find('='), directive.size());
    const std::string_view name = directive.substr(0, equals);
    if (equals_ignoring_case(name, "no-store") || equals_ignoring_case(name, "no-cache"))
      return std::chrono::seconds(0);
    if (!equals_ignoring_case(name, "max-age") || lifetime) continue;
    std::string_view value = directive.substr(std::min(equals + 1, directive.size()));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
    lifetime = read_seconds(value).value_or(std::chrono::seconds(0));
  }
  if (!lifetime) return std::nullopt;
  return std::max(*lifetime - read_seconds(trimmed(age)).value_or(std::chrono::seconds(0)), std::chrono::seconds(0));
}

HttpGet::HttpGet(asio::io_context& loop, const TlsContext& tls)
    : tls_(tls), dialer_(loop), timer_(loop), socket_(loop) {}

void HttpGet::get(const HttpUrl& url, std::chrono::milliseconds timeout, Done done) {
  ++run_;
  url_ = url;
  done_ = std::move(done);
  dialed_ = asked_ = false;
  layer_.reset();
  writing_.clear();
  pending_.clear();
  inbox_.clear();
  await_answer();
  timer_.expires_after(timeout);
  timer_.async_wait([this, run = run_](const boost::system::error_code& cancelled) {
    if (!cancelled && run == run_) fail(describe_timeout());
  });
  dialer_.dial(url.host, url.port, 0, [this, run = run_](Result<tcp::socket, std::string> dialed) {
    if (run == run_) on_dialed(std::move(dialed));
  });
}

void HttpGet::await_answer() {
  parser_.emplace();
  parser_->header_limit(kHeadBytesMax);
  parser_->body_limit(kBodyBytesMax);
  parser_->eager(true);
}

void HttpGet::on_dialed(Result<tcp::socket, std::string> dialed) {
  if (!dialed) return fail(dialed.error());
  dialed_ = true;
  socket_ = *std::move(dialed);
  if (url_.tls) {
    layer_ = std::make_unique<TlsLayer>(tls_, url_.host, "the server");
    layer_->begin(pending_);
  } else {
    send_request();
  }
  write();
  read();
}

void HttpGet::send_request() {
  asked_ = true;
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nUser-Agent: famemely-mqtt\r\nConnection: "
      "close\r\n\r\n",
      url_.target, url_.host_field());
  if (layer_)
    layer_->send(request, pending_);
  else
    pending_ += request;
}

void HttpGet::write() {
  if (!writing_.empty() || pending_.empty()) return;
  writing_.swap(pending_);
  asio::async_write(socket_, asio::buffer(writing_),
                    [this, run = run_](const boost::system::error_code& fault, std::size_t) {
                      if (run != run_) return;
                      writing_.clear();
                      // What the server says of it is worth more than that it did not listen.
                      if (!fault) write();
                    });
}

void HttpGet::read() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [this, run = run_](const boost::system::error_code& fault, std::size_t size) {
                            if (run != run_) return;
                            if (fault == asio::error::eof) return on_end();
                            if (fault) return fail("the connection broke: " + fault.message());
                            on_received({buffer_.data(), size});
                            if (run == run_) read();
                          });
}

void HttpGet::on_received(std::string_view bytes) {
  if (layer_) {
    const auto taken = layer_->on_received(bytes, inbox_, pending_);
    if (taken && !asked_ && layer_->established()) send_request();
    write();
    if (!taken) return fail("TLS failed: " + taken.error());
  } else {
    inbox_.append(bytes);
  }
  parse();
}

void HttpGet::parse() {
  try {
    parse_inbox();
  } catch (const std::length_error&) {  // Beast's, at a field over 64 KB
    fail("the answer has a field that is too long");
  }
}

void HttpGet::parse_inbox() {
  boost::system::error_code fault;
  while (!inbox_.empty() && !parser_->is_done()) {
    if (parser_->is_header_done() && parser_->chunked() && inbox_.size() < serving::kLastChunkBytes) break;
    const std::size_t used = parser_->put(asio::buffer(inbox_), fault);
    inbox_.erase(0, used);
    if (fault == http::error::need_more) break;
    if (fault == http::error::body_limit) return fail(fmt::format("the answer is over {} bytes", kBodyBytesMax));
    if (fault) return fail("the answer is not HTTP: " + fault.message());
    // Interim answers go before the one that counts (RFC 9110 section 15.2); nobody has asked for 101.
    if (parser_->is_done() && parser_->get().result_int() / 100 == 1 &&
        parser_->get().result() != http::status::switching_protocols)
      await_answer();
  }
  // Beast waits for the end of trailers and of a chunk's extension.
  if (inbox_.size() > kBodyBytesMax) return fail(fmt::format("the answer is over {} bytes", kBodyBytesMax));
  if (parser_->is_done()) succeed();
}

void HttpGet::on_end() {
  // Over TLS an end that the server does not announce may be anybody's (RFC 8446 section 6.1).
  boost::system::error_code fault;
  if (parser_->got_some() && (!layer_ || layer_->ended())) parser_->put_eof(fault);
  if (!fault && parser_->is_done()) return succeed();
  fail("the server closed the connection before its answer was complete");
}

void HttpGet::succeed() {
  const auto& answer = parser_->get();
  const unsigned int status = answer.result_int();
  if (status >= 300 && status < 400)
    return fail(fmt::format("the server redirects (status {}), which is not followed", status));
  if (status != 200) return fail(fmt::format("the server answered with status {}", status));
  // Several fields are one list (RFC 9110 section 5.3).
  std::string cache_control;
  const auto [first, last] = answer.equal_range(http::field::cache_control);
  for (auto field = first; field != last; ++field) cache_control.append(view(field->value())).append(",");
  const auto fresh_for = freshness(cache_control, view(answer[http::field::age]));
  finish(Answer{answer.body(), fresh_for});
}

void HttpGet::fail(std::string what) { finish(failure(std::move(what))); }

void HttpGet::finish(Result<Answer, std::string> result) {
  ++run_;
  timer_.cancel();
  dialer_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  std::exchange(done_, nullptr)(std::move(result));
}

std::string HttpGet::describe_timeout() const {
  if (!dialed_) return dialer_.describe_timeout();
  return asked_ ? "the answer did not come in time" : "the TLS handshake timed out";
}

}  // namespace famemely::io
