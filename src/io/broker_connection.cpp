#include "io/broker_connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
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
      resolver_(context),
      socket_(context),
      connect_timer_(context) {}

bool BrokerConnection::follow_up() {
  bool called = write();
  if (channel_.take_close_wish()) {
    close();
    channel_.on_transport_closed("", serving::read_clocks());
    called = true;
  }
  if (!stopped_ && !connecting_ && !connected_ && channel_.take_open_wish()) open();
  return called;
}

void BrokerConnection::stop() {
  stopped_ = true;
  write();
  close();
}

// --- opening ---

void BrokerConnection::open() {
  if (!buffer_) buffer_ = std::make_unique<std::array<char, 262'144>>();
  connecting_ = true;
  const std::uint64_t attempt = ++attempt_;
  logger_.debug("broker connecting", {{"host", address_.host}, {"port", address_.port}});
  connect_timer_.expires_after(address_.connect_timeout);
  connect_timer_.async_wait([this, attempt](const boost::system::error_code& fault) {
    if (fault || attempt != attempt_ || !connecting_) return;
    lost(fmt::format("TCP connection to {}:{} timed out", address_.host, address_.port));
  });
  resolver_.async_resolve(
      address_.host, std::to_string(address_.port),
      [this, attempt](const boost::system::error_code& fault, const tcp::resolver::results_type& found) {
        if (attempt != attempt_) return;
        if (fault) return lost(fmt::format("DNS lookup of {} failed: {}", address_.host, fault.message()));
        boost::asio::async_connect(socket_, found,
                                   [this, attempt](const boost::system::error_code& error, const tcp::endpoint&) {
                                     on_connected(attempt, error);
                                   });
      });
}

void BrokerConnection::on_connected(std::uint64_t attempt, const boost::system::error_code& fault) {
  if (attempt != attempt_) return;
  if (fault)
    return lost(fmt::format("TCP connection to {}:{} failed: {}", address_.host, address_.port, fault.message()));
  connecting_ = false;
  connected_ = true;
  connect_timer_.cancel();
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  channel_.on_transport_open(serving::read_clocks());
  read();
  on_input_();
}

// --- bytes ---

void BrokerConnection::read() {
  socket_.async_read_some(boost::asio::buffer(*buffer_),
                          [this, attempt = attempt_](const boost::system::error_code& fault, std::size_t size) {
                            on_read(attempt, fault, size);
                          });
}

void BrokerConnection::on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size) {
  if (attempt != attempt_ || !connected_) return;
  if (fault) {
    return lost(fault == boost::asio::error::eof ? "The broker closed the connection"
                                                 : "Connection to the broker lost: " + fault.message());
  }
  channel_.on_bytes({buffer_->data(), size}, serving::read_clocks());
  on_input_();
  if (connected_ && attempt == attempt_) read();
}

bool BrokerConnection::write() {
  bool called = false;
  while (connected_ && !write_blocked_) {
    if (written_ == writing_.size()) {
      writing_.clear();
      written_ = 0;
      writing_.swap(channel_.output());
      if (writing_.empty()) break;
    }
    const ssize_t sent = ::send(socket_.native_handle(), writing_.data() + written_, writing_.size() - written_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += static_cast<std::size_t>(sent);
      channel_.on_written(static_cast<std::size_t>(sent), serving::read_clocks());
      called = true;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      write_blocked_ = true;
      socket_.async_wait(tcp::socket::wait_write, [this, attempt = attempt_](const boost::system::error_code& fault) {
        if (fault || attempt != attempt_) return;
        write_blocked_ = false;
        on_input_();
      });
    } else {
      const std::string why = fmt::format("Connection to the broker lost: {}", std::strerror(errno));
      close();
      channel_.on_transport_closed(why, serving::read_clocks());
      return true;
    }
  }
  return called;
}

// --- the end ---

void BrokerConnection::close() {
  ++attempt_;
  connecting_ = connected_ = write_blocked_ = false;
  connect_timer_.cancel();
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  writing_.clear();
  written_ = 0;
}

void BrokerConnection::lost(const std::string& why) {
  close();
  channel_.on_transport_closed(why, serving::read_clocks());
  on_input_();
}

}  // namespace famemely::io
