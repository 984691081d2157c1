#include "gateway/lane.hpp"

#include <algorithm>
#include <utility>

#include "gateway/bridge.hpp"

namespace famemely::gateway {
namespace {

mqtt::SessionOptions session_of_lane(mqtt::SessionOptions options, LaneIndex index) {
  if (index == 0) return options;
  options.client_id += "-" + std::to_string(index + 1);
  options.will.reset();
  return options;
}

}  // namespace

Lane::Lane(Bridge& bridge, LaneIndex index, mqtt::SessionOptions session, const Reconnect& reconnect)
    : bridge_(bridge),
      index_(index),
      session_(session_of_lane(std::move(session), index)),
      reconnect_(reconnect.min, reconnect.max) {}

// --- opening and closing ---

void Lane::open(Duration delay, Now now) {
  stopped_ = false;
  open_at_ = now.instant + delay;
  if (delay > Duration::zero()) return;
  open_at_ = kNever;
  open_wish_ = attempting_ = true;
}

void Lane::on_accepted(Now now) {
  redirects_.on_accepted();
  reconnect_.on_success(now.instant);
}

Duration Lane::on_over(bool retry_at_once, RandomSource& random, Now now) {
  redirects_.on_over(retry_at_once);
  attempting_ = false;
  close_wish_ = true;
  requests_in_flight = 0;
  asks_suspect = false;
  if (stopped_) return Duration::zero();
  const Duration delay = retry_at_once ? Duration::zero() : reconnect_.on_failure(now.instant, random);
  open(delay, now);
  return delay;
}

void Lane::stop(Now now) {
  stopped_ = true;
  open_at_ = kNever;
  open_wish_ = false;
  session_.disconnect(mqtt::ReasonCode::success, now.instant, effects_);
}

// --- the transport ---

void Lane::on_transport_open(Now now) {
  session_.on_transport_open(attempt_began(now), effects_);
  bridge_.settle(now);
}

void Lane::on_bytes(std::string_view bytes, Now now) {
  session_.on_bytes(bytes, now.instant, effects_);
  bridge_.settle(now);
}

void Lane::on_transport_closed(const std::string& why, Now now) {
  // Where the session had ended the connection itself, it has said so already.
  session_.on_transport_closed(now.instant, effects_);
  const bool told = std::ranges::any_of(effects_.events, [](const mqtt::SessionEvent& event) {
    return std::holds_alternative<mqtt::Disconnected>(event) || std::holds_alternative<mqtt::ConnectFailed>(event);
  });
  bridge_.settle(now);
  // With a wish to open, it is the connection before that has been closed.
  if (!told && attempting_ && !open_wish_) bridge_.on_connection_over(*this, why, false, false, now);
  close_wish_ = false;
  output_.clear();
  put_out_ = written_;
}

void Lane::on_written(std::size_t bytes, Now) {
  written_ += bytes;
  bridge_.on_written(*this);
}

void Lane::on_timer(Now now) {
  if (open_at_ <= now.instant) open(Duration::zero(), now);
  session_.on_timer(now.instant, effects_);
}

Instant Lane::next_deadline() const { return std::min(session_.next_deadline(), open_at_); }

void Lane::take_output() {
  put_out_ += effects_.output.size();
  if (output_.empty())
    output_.swap(effects_.output);
  else
    output_.append(effects_.output);
  effects_.output.clear();
}

}  // namespace famemely::gateway
