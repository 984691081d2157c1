#include "gateway/fence_rounds.hpp"

#include <utility>

namespace famemely::gateway {

FenceRounds::FenceRounds(std::string topic, std::string fallback_topic, Logger& logger)
    : topics_{std::move(topic), std::move(fallback_topic)}, logger_(logger) {}

// --- a round ---

void FenceRounds::begin(Instant now) {
  wanted_ = false;
  open_ = true;
  ++round_;
  passed_ = {};
  send(0);
  send(1);
  deadline_ = now + (proved_ ? Duration(kResendInterval) : Duration(kFirstFenceTimeout));
}

void FenceRounds::send(std::uint8_t qos) { publishes_.push_back({topic(), std::to_string(round_), qos}); }

std::optional<Stream> FenceRounds::on_message(std::string_view payload, std::uint8_t qos) {
  if (!open_ || payload != std::to_string(round_)) return std::nullopt;
  const Stream stream = stream_of(qos);
  if (passed(stream)) return std::nullopt;
  passed_[static_cast<std::size_t>(stream)] = true;
  proved_ = true;
  if (!std::exchange(available_, true)) logger_.info("fences are back", {{"topic", topic()}});
  if (passed(Stream::qos_0) && passed(Stream::qos_1_and_2)) {
    open_ = false;
    finished_ = true;
    deadline_ = kNever;
  }
  return stream;
}

bool FenceRounds::take_finished() { return std::exchange(finished_, false); }

bool FenceRounds::take_abandoned() { return std::exchange(abandoned_, false); }

// --- the connection ---

void FenceRounds::on_connected(bool session_present, Instant now) {
  connected_ = true;
  if (!session_present) {
    subscribed_ = Subscribed::no;
    choice_ = 0;
    proved_ = false;
    available_ = true;
    abandoned_ = std::exchange(open_, false);
  } else if (open_ && passed(Stream::qos_1_and_2)) {
    // What was on its way at QoS 0 went with the connection.
    open_ = false;
    finished_ = true;
  } else if (open_ && !passed(Stream::qos_0)) {
    open_ = false;
    abandoned_ = true;
  }
  deadline_ = open_ ? now + kResendInterval : kNever;
}

std::optional<std::string> FenceRounds::take_subscribe() {
  if (!connected_ || !wanted_ || !available_ || subscribed_ != Subscribed::no) return std::nullopt;
  subscribed_ = Subscribed::asked;
  return topic();
}

void FenceRounds::on_subscribed(bool granted, Instant now) {
  subscribed_ = granted ? Subscribed::held : Subscribed::no;
  if (!granted) return try_the_other_topic("subscription refused", now);
  if (!open_) return;
  // The round had begun on the other topic.
  if (!passed(Stream::qos_0)) send(0);
  if (!passed(Stream::qos_1_and_2)) send(1);
}

void FenceRounds::on_subscribe_lost() {
  if (subscribed_ == Subscribed::asked) subscribed_ = Subscribed::no;
}

void FenceRounds::on_published(bool taken, Instant now) {
  if (!taken && open_) try_the_other_topic("publish refused", now);
}

void FenceRounds::try_the_other_topic(std::string_view why, Instant now) {
  deadline_ = kNever;
  if (proved_) {  // it has worked before: this round is lost, not the topic
    abandoned_ = std::exchange(open_, false) || abandoned_;
    return;
  }
  if (choice_ == 1) {
    if (std::exchange(available_, false))
      logger_.warn("no fences", {{"reason", why},
                                 {"topic", topic()},
                                 {"hint", "the broker must let this client publish and subscribe to this topic"}});
    return;
  }
  logger_.warn("fence topic does not work", {{"reason", why}, {"topic", topic()}, {"next", topics_[1]}});
  choice_ = 1;
  subscribed_ = Subscribed::no;
  wanted_ = true;
  if (open_) deadline_ = now + kFirstFenceTimeout;
}

void FenceRounds::on_timer(Instant now) {
  if (!connected_ || now < deadline_) return;
  deadline_ = kNever;
  if (!open_) return;
  if (!proved_) return try_the_other_topic("fence not back in time", now);
  deadline_ = now + kResendInterval;
  if (!passed(Stream::qos_0)) send(0);  // the other one can't be lost, only be late
}

}  // namespace famemely::gateway
