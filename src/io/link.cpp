#include "io/link.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/clocks.hpp"

namespace famemely::io {

Link::Link(const BrokerAddress& address, boost::asio::io_context& context, gateway::Bridge& bridge, Logger& logger)
    : address_(address),
      context_(context),
      bridge_(bridge),
      logger_(logger),
      resolver_(context),
      socket_(context),
      timer_(context),
      connect_timer_(context),
      buffer_(std::make_unique<std::array<char, 262'144>>()) {}

void Link::start() {
  blocked_.assign(gates_.size(), false);
  boost::asio::post(context_, [this] {
    bridge_.start(read_clocks());
    follow_up();
  });
}

bool Link::push(std::size_t, std::vector<gateway::LinkCommand>& commands) {
  bridge_.on_commands(commands, read_clocks());
  commands.clear();
  follow_up();
  return true;
}

void Link::on_worker_room(std::size_t worker) {
  blocked_[worker] = false;
  follow_up();
}

// --- the connection ---

void Link::open() {
  connecting_ = true;
  const std::uint64_t attempt = ++attempt_;
  logger_.debug("broker connecting", {{"host", address_.host}, {"port", address_.port}});
  connect_timer_.expires_after(address_.connect_timeout);
  connect_timer_.async_wait([this, attempt](const boost::system::error_code& fault) {
    if (fault || attempt != attempt_ || !connecting_) return;
    attempt_failed(fmt::format("TCP connection to {}:{} timed out", address_.host, address_.port));
  });
  resolver_.async_resolve(
      address_.host, std::to_string(address_.port),
      [this, attempt](const boost::system::error_code& fault, const tcp::resolver::results_type& found) {
        if (attempt != attempt_) return;
        if (fault) return attempt_failed(fmt::format("DNS lookup of {} failed: {}", address_.host, fault.message()));
        boost::asio::async_connect(socket_, found,
                                   [this, attempt](const boost::system::error_code& error, const tcp::endpoint&) {
                                     on_connected(attempt, error);
                                   });
      });
}

void Link::attempt_failed(const std::string& why) {
  close();
  bridge_.on_transport_closed(why, read_clocks());
  follow_up();
}

void Link::on_connected(std::uint64_t attempt, const boost::system::error_code& fault) {
  if (attempt != attempt_) return;
  if (fault)
    return attempt_failed(
        fmt::format("TCP connection to {}:{} failed: {}", address_.host, address_.port, fault.message()));
  connecting_ = false;
  connected_ = true;
  connect_timer_.cancel();
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  bridge_.on_transport_open(read_clocks());
  read();
  follow_up();
}

void Link::read() {
  socket_.async_read_some(boost::asio::buffer(*buffer_),
                          [this, attempt = attempt_](const boost::system::error_code& fault, std::size_t size) {
                            on_read(attempt, fault, size);
                          });
}

void Link::on_read(std::uint64_t attempt, const boost::system::error_code& fault, std::size_t size) {
  if (attempt != attempt_ || !connected_) return;
  if (fault) {
    return lost(fault == boost::asio::error::eof ? "The broker closed the connection"
                                                 : "Connection to the broker lost: " + fault.message());
  }
  bridge_.on_bytes({buffer_->data(), size}, read_clocks());
  follow_up();
  if (connected_ && attempt == attempt_) read();
}

void Link::write() {
  while (connected_ && !write_blocked_) {
    if (written_ == writing_.size()) {
      writing_.clear();
      written_ = 0;
      writing_.swap(bridge_.output());
      if (writing_.empty()) return;
    }
    const ssize_t sent = ::send(socket_.native_handle(), writing_.data() + written_, writing_.size() - written_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += static_cast<std::size_t>(sent);
      bridge_.on_written(static_cast<std::size_t>(sent), read_clocks());
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      write_blocked_ = true;
      socket_.async_wait(tcp::socket::wait_write, [this, attempt = attempt_](const boost::system::error_code& fault) {
        if (fault || attempt != attempt_) return;
        write_blocked_ = false;
        follow_up();
      });
    } else {
      return lost(fmt::format("Connection to the broker lost: {}", std::strerror(errno)));
    }
  }
}

void Link::close() {
  ++attempt_;
  connecting_ = connected_ = write_blocked_ = false;
  connect_timer_.cancel();
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  writing_.clear();
  written_ = 0;
}

void Link::lost(const std::string& why) {
  close();
  bridge_.on_transport_closed(why, read_clocks());
  follow_up();
}

// --- what the bridge wants ---

void Link::follow_up() {
  hand_over();
  write();
  if (bridge_.take_close_wish()) {
    close();
    bridge_.on_transport_closed("", read_clocks());
    hand_over();
  }
  if (!stopped_ && !connecting_ && !connected_ && bridge_.take_open_wish()) open();
  // Acknowledgements follow the hand-over, and answers follow what was written.
  hand_over();
  arm_timer();
}

void Link::hand_over() {
  for (std::size_t worker = 0; worker < gates_.size(); ++worker) {
    std::vector<gateway::WorkerEvent>& events = bridge_.events_for(worker);
    if (events.empty() || blocked_[worker]) continue;
    if (gates_[worker](events))
      bridge_.on_handed_over(worker, read_clocks());
    else
      blocked_[worker] = true;
  }
}

void Link::arm_timer() {
  const Instant due = bridge_.next_deadline();
  if (due == kNever || due >= timer_armed_) return;
  timer_armed_ = due;
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& fault) {
    if (fault) return;
    timer_armed_ = kNever;
    bridge_.on_timer(read_clocks());
    follow_up();
  });
}

void Link::stop(std::function<void()> done) {
  stopped_ = true;
  bridge_.disconnect(read_clocks());
  write();
  close();
  done();
}

}  // namespace famemely::io
