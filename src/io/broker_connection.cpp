#include "io/broker_connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "serving/clocks.hpp"

namespace famemely::io {

BrokerConnection::BrokerConnection(const BrokerAddress& address, boost::asio::io_context& context,
                                   gateway::BrokerChannel& channel, Logger& logger, std::function<void()> on_input)
    : address_(address),
      channel_(channel),
      logger_(logger),
      on_input_(std::move(on_input)),
      dialer_(context),
      socket_(context),
      connect_timer_(context) {}

bool BrokerConnection::follow_up() {
  if (stopping_) return false;
  bool called = write();
  if (channel_.take_close_wish()) {
    close_politely();
    channel_.on_transport_closed("", serving::read_clocks());
    called = true;
  }
  if (state_ == State::closed && channel_.take_open_wish()) open();
  return called;
}

void BrokerConnection::stop(Duration patience, std::function<void()> stopped) {
  stopping_ = true;
  stopped_ = std::move(stopped);
  if (state_ != State::open || patience <= Duration()) {
    write();
    say_farewell();
    return finish();
  }
  connect_timer_.expires_after(patience);
  connect_timer_.async_wait([this](const boost::system::error_code& fault) {
    if (!fault) finish();
  });
  write_last();
}

/// A broker that is sent more than it has read must not find the connection reset: what it has not read yet would be
/// lost with it. So it is the broker that closes.
void BrokerConnection::write_last() {
  write();
  if (!has_socket()) return finish();
  if (write_blocked_) return;
  say_farewell();
  boost::system::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void BrokerConnection::finish() {
  if (!stopped_) return;
  close();
  boost::asio::post(socket_.get_executor(), std::exchange(stopped_, nullptr));
}

// --- opening ---

void BrokerConnection::open() {
  if (!buffer_) buffer_ = std::make_unique<std::array<char, 262'144>>();
  state_ = State::dialing;
  target_ = choose_target();
  logger_.debug("broker connecting", {{"host", target_.host}, {"port", target_.port}});
  channel_.begin_attempt(serving::read_clocks());
  connect_timer_.expires_after(address_.connect_timeout);
  connect_timer_.async_wait([this, attempt = ++attempt_](const boost::system::error_code& fault) {
    if (!fault && attempt == attempt_ && state_ != State::open) on_timeout();
  });
  dialer_.dial(target_.host, target_.port, silent_connections_,
               [this](Result<tcp::socket, std::string> dialed) { on_dialed(std::move(dialed)); });
}

BrokerTarget BrokerConnection::choose_target() {
  const auto& redirect = channel_.redirect();
  if (redirect && may_follow(address_, redirect->host))
    return {.host = redirect->host, .port = redirect->port.value_or(address_.port)};
  if (redirect)
    logger_.warn("broker redirect not followed",
                 {{"server", redirect->host},
                  {"why", "the credentials go to another host only over TLS with a verified certificate"}});
  return {.host = address_.host, .port = address_.port};
}

void BrokerConnection::on_timeout() {
  lost(state_ == State::dialing ? dialer_.describe_timeout() : wire_->describe_timeout());
}

void BrokerConnection::on_dialed(Result<tcp::socket, std::string> dialed) {
  if (!dialed) return lost(dialed.error());
  socket_ = *std::move(dialed);
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  if (!address_.tls && !address_.websocket) {
    become_open();
    read();
    return on_input_();
  }
  state_ = State::shaking_hands;
  wire_.emplace(address_, target_.host, target_.port, random_);
  wire_->begin(writing_);
  read();
  write();
}

void BrokerConnection::become_open() {
  state_ = State::open;
  connect_timer_.cancel();
  channel_.on_transport_open(serving::read_clocks());
}

// --- bytes ---

void BrokerConnection::read() {
  socket_.async_read_some(boost::asio::buffer(*buffer_),
                          [this, attempt = attempt_](const boost::system::error_code& fault, std::size_t size) {
                            on_read(attempt, fault, size);
                          });
}

void BrokerConnection::on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size) {
  if (attempt != attempt_ || !has_socket()) return;
  if (stopping_) return fault ? finish() : read();
  if (fault) return lost(describe_end(fault));
  if (auto taken = take({buffer_->data(), size}); !taken) {
    write();  // our alert or close frame
    if (!has_socket()) return on_input_();
    if (state_ == State::open && !wire_->ended()) channel_.explain_end(taken.error());
    return lost(taken.error());
  }
  if (state_ == State::shaking_hands)
    write();
  else
    on_input_();
  if (has_socket() && attempt == attempt_) read();
}

Result<void, std::string> BrokerConnection::take(std::span<char> bytes) {
  if (!wire_) {
    received_ = true;
    channel_.on_bytes({bytes.data(), bytes.size()}, serving::read_clocks());
    return {};
  }
  incoming_.clear();
  auto taken = wire_->on_received(bytes, incoming_);
  if (state_ == State::shaking_hands && wire_->is_open()) become_open();
  received_ |= !incoming_.empty();
  if (!incoming_.empty()) channel_.on_bytes(incoming_, serving::read_clocks());
  if (taken && wire_->ended()) return failure(describe_end(boost::asio::error::eof));
  return taken;
}

std::string BrokerConnection::describe_end(const boost::system::error_code& fault) const {
  if (state_ == State::shaking_hands) return wire_->describe_end();
  return fault == boost::asio::error::eof ? "The broker closed the connection"
                                          : "Connection to the broker lost: " + fault.message();
}

bool BrokerConnection::write() {
  bool called = false;
  while (has_socket() && !write_blocked_) {
    if (written_ == writing_.size() && !refill()) break;
    const ssize_t sent = ::send(socket_.native_handle(), writing_.data() + written_, writing_.size() - written_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += static_cast<std::size_t>(sent);
      const std::size_t carried = !wire_                        ? static_cast<std::size_t>(sent)
                                  : written_ == writing_.size() ? std::exchange(carried_, 0)
                                                                : 0;
      if (carried == 0) continue;
      channel_.on_written(carried, serving::read_clocks());
      called = true;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      write_blocked_ = true;
      socket_.async_wait(tcp::socket::wait_write, [this, attempt = attempt_](const boost::system::error_code& fault) {
        if (fault || attempt != attempt_) return;
        write_blocked_ = false;
        stopping_ ? write_last() : on_input_();
      });
    } else if (wire_) {
      break;  // what the broker said before it closed, an alert perhaps, is still to be read
    } else {
      const std::string why = fmt::format("Connection to the broker lost: {}", std::strerror(errno));
      close();
      channel_.on_transport_closed(why, serving::read_clocks());
      return true;
    }
  }
  return called;
}

bool BrokerConnection::refill() {
  writing_.clear();
  written_ = 0;
  if (!wire_) {
    writing_.swap(channel_.output());
    return !writing_.empty();
  }
  wire_->take_answers(writing_);
  if (state_ == State::open) {
    if (taken_ == outgoing_.size()) {
      outgoing_.clear();
      taken_ = 0;
      outgoing_.swap(channel_.output());
    }
    carried_ = std::min(kChunkBytes, outgoing_.size() - taken_);
    if (carried_ > 0) wire_->send(std::string_view(outgoing_).substr(taken_, carried_), writing_);
    taken_ += carried_;
  }
  return !writing_.empty();
}

// --- the end ---

void BrokerConnection::say_farewell() {
  if (!wire_ || state_ != State::open || written_ != writing_.size()) return;
  writing_.clear();
  written_ = 0;
  wire_->close(writing_);
  if (!writing_.empty()) ::send(socket_.native_handle(), writing_.data(), writing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void BrokerConnection::close_politely() {
  say_farewell();
  close();
}

void BrokerConnection::close() {
  if (received_)
    silent_connections_ = 0;
  else if (has_socket())
    ++silent_connections_;
  received_ = false;
  ++attempt_;
  state_ = State::closed;
  write_blocked_ = false;
  connect_timer_.cancel();
  dialer_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  wire_.reset();
  writing_.clear();
  outgoing_.clear();
  written_ = taken_ = carried_ = 0;
}

void BrokerConnection::lost(const std::string& why) {
  close();
  channel_.on_transport_closed(why, serving::read_clocks());
  on_input_();
}

}  // namespace famemely::io
