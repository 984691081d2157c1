#include "io/broker_wire.hpp"

#include <fmt/format.h>

#include <utility>

namespace famemely::io {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

/// RFC 6455 section 4.1: the Host field leaves out a port that goes without saying.
std::string host_field(const std::string& host, std::uint16_t port, bool tls) {
  std::string text = authority(host, port);
  if (port == (tls ? kHttpsPort : kHttpPort)) text.erase(text.rfind(':'));
  return text;
}

}  // namespace

std::string authority(const std::string& host, std::uint16_t port) {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

BrokerWire::BrokerWire(const BrokerAddress& address, const std::string& host, std::uint16_t port, RandomSource& random)
    : authority_(authority(host, port)) {
  if (address.tls) tls_.emplace(*address.tls, host);
  if (address.websocket)
    websocket_.emplace(host_field(host, port, address.tls != nullptr), address.websocket->target,
                       address.websocket->fields, random);
}

void BrokerWire::begin(std::string& out) {
  if (tls_)
    tls_->begin(out);
  else
    begin_websocket();
  take_answers(out);
}

void BrokerWire::begin_websocket() {
  if (!websocket_ || std::exchange(websocket_begun_, true)) return;
  std::string request;
  websocket_->begin(request);
  if (tls_)
    tls_->send(request, answers_);
  else
    answers_ += request;
}

Result<void, std::string> BrokerWire::on_received(std::span<char> bytes, std::string& mqtt) {
  const auto fault = [this](const std::string& step_then, bool was_open, const std::string& why) {
    return failure(was_open ? why : fmt::format("{} failed: {}", step_then, why));
  };
  const bool was_open = is_open();
  if (!tls_) {
    auto taken = websocket_->on_received(bytes, mqtt);
    if (!taken) return fault(step(), was_open, taken.error());
    return {};
  }
  std::string& clear = websocket_ ? clear_ : mqtt;
  if (auto taken = tls_->on_received({bytes.data(), bytes.size()}, clear, answers_); !taken)
    return failure(was_open ? "TLS with " + authority_ + " failed: " + taken.error()
                            : fmt::format("{} failed: {}", step(), taken.error()));
  if (!tls_->established() || !websocket_) return {};
  begin_websocket();
  auto taken = websocket_->on_received(clear_, mqtt);
  clear_.clear();
  if (!taken) return fault(step(), was_open, taken.error());
  return {};
}

std::string BrokerWire::step() const {
  const bool in_tls = tls_ && !tls_->established();
  return fmt::format("{} handshake with {}", in_tls ? "TLS" : "WebSocket", authority_);
}

std::string BrokerWire::describe_end() const { return step() + " failed: the broker closed the connection"; }

std::string BrokerWire::describe_timeout() const { return step() + " timed out"; }

bool BrokerWire::is_open() const { return (!tls_ || tls_->established()) && (!websocket_ || websocket_->upgraded()); }

void BrokerWire::send(std::string_view mqtt, std::string& out) {
  take_answers(out);
  if (!websocket_) return tls_->send(mqtt, out);
  if (!tls_) return websocket_->send(mqtt, out);
  std::string frames;
  websocket_->send(mqtt, frames);
  tls_->send(frames, out);
}

void BrokerWire::take_answers(std::string& out) {
  if (websocket_) {
    std::string frames;
    websocket_->take_answers(frames);
    if (tls_)
      tls_->send(frames, answers_);
    else
      answers_ += frames;
  }
  out += answers_;
  answers_.clear();
}

void BrokerWire::close(std::string& out) {
  take_answers(out);
  if (websocket_) {
    std::string frame;
    websocket_->close(frame);
    if (tls_)
      tls_->send(frame, out);
    else
      out += frame;
  }
  if (tls_) tls_->close(out);
}

}  // namespace famemely::io
