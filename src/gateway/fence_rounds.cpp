#include "gateway/fence_rounds.hpp"

#include <algorithm>
#include <utility>

namespace famemely::gateway {
namespace {

std::size_t at(Stream stream) { return static_cast<std::size_t>(stream); }

std::string with_slashes(std::string topic) {
  std::ranges::replace(topic, '.', '/');
  return topic;
}

}  // namespace

FenceRounds::FenceRounds(FenceTopics topics, Logger& logger)
    : topics_{std::move(topics.own), std::move(topics.fallback)},
      rewritten_{with_slashes(topics_[0]), with_slashes(topics_[1])},
      logger_(logger) {}

bool FenceRounds::is_fence(std::string_view topic) const {
  return topic == topics_[0] || topic == topics_[1] || topic == rewritten_[0] || topic == rewritten_[1];
}

// --- lanes ---

FenceRounds::Lane& FenceRounds::lane(LaneIndex index) {
  if (lanes_.size() <= index) lanes_.resize(index + std::size_t{1});
  return lanes_[index];
}

std::size_t FenceRounds::lanes_in_use() const {
  return static_cast<std::size_t>(std::ranges::count(lanes_, true, &Lane::in_use));
}

bool FenceRounds::ready() const {
  return wanted_ && !open_ && is_up() && std::ranges::all_of(lanes_, [](const Lane& each) {
           return !each.in_use || (each.connected && each.subscribed == Subscribed::held);
         });
}

bool FenceRounds::all_are_connected() const {
  return std::ranges::all_of(lanes_, [](const Lane& each) { return !each.in_use || each.connected; });
}

bool FenceRounds::passed(LaneIndex index, Stream stream) const {
  return (open_ || finished_) && index < lanes_.size() && lanes_[index].passed[at(stream)];
}

bool FenceRounds::mutes_qos_0(LaneIndex index) const { return open_ && index < lanes_.size() && lanes_[index].muted; }

bool FenceRounds::has_passed(Stream stream) const {
  return std::ranges::all_of(lanes_, [&](const Lane& each) { return each.passed[at(stream)]; });
}

// --- a round ---

void FenceRounds::begin(Instant now) {
  wanted_ = false;
  open_ = true;
  resends_qos_1_ = false;
  ++round_;
  for (Lane& each : lanes_) {
    each.passed = {!each.in_use, !each.in_use};
    each.muted = false;
  }
  send(0);
  send(1);
  deadline_ = now + (proved_ ? Duration(kResendInterval) : Duration(kFirstFenceTimeout));
}

void FenceRounds::send(std::uint8_t qos) { publishes_.push_back({topic(), std::to_string(round_), qos}); }

bool FenceRounds::on_message(LaneIndex index, std::string_view payload, std::uint8_t qos) {
  if (!open_ || payload != std::to_string(round_)) return false;
  Lane& here = lane(index);
  bool& passed_here = here.passed[at(stream_of(qos))];
  if (qos == 0) here.muted = false;
  if (std::exchange(passed_here, true)) return false;
  proved_ = true;
  if (!std::exchange(available_, true)) logger_.info("fences are back", {{"topic", topic()}});
  end_if_passed();
  return true;
}

void FenceRounds::end_if_passed() {
  if (!open_ || !has_passed(Stream::qos_0) || !has_passed(Stream::qos_1_and_2)) return;
  open_ = false;
  finished_ = true;
  deadline_ = kNever;
}

bool FenceRounds::take_finished() { return std::exchange(finished_, false); }

// --- the connections ---

void FenceRounds::on_connected(LaneIndex index, bool session_present, Instant now) {
  Lane& here = lane(index);
  here.in_use = here.connected = true;
  if (!session_present)
    on_session_lost(index);
  else if (open_)
    on_resumed(index);
  end_if_passed();
  deadline_ = open_ && all_are_connected() ? now + (proved_ ? Duration(kResendInterval) : Duration(kFirstFenceTimeout))
                                           : kNever;
}

void FenceRounds::on_session_lost(LaneIndex index) {
  Lane& here = lane(index);
  here.subscribed = Subscribed::no;
  here.passed = {true, true};
  here.muted = false;
  if (index != 0 || (open_ && lanes_in_use() > 1)) return;
  // It may be another broker, or one with other rules.
  choice_ = 0;
  proved_ = false;
  available_ = true;
}

/// What was on its way at QoS 0 went with the connection, a fence perhaps. What is sent at QoS 1 comes still.
void FenceRounds::on_resumed(LaneIndex index) {
  Lane& here = lane(index);
  bool& passed_0 = here.passed[at(Stream::qos_0)];
  if (passed_0) return;
  if (lanes_in_use() > 1)
    passed_0 = here.muted = true;
  else if (here.passed[at(Stream::qos_1_and_2)])
    passed_0 = true;
  if (index == 0 && !has_passed(Stream::qos_0)) send(0);
}

void FenceRounds::on_disconnected(LaneIndex index) {
  lane(index).connected = false;
  deadline_ = kNever;  // what is late waits for this lane
}

void FenceRounds::on_stopped(LaneIndex index) {
  lane(index) = Lane{};
  end_if_passed();
}

std::optional<std::string> FenceRounds::take_subscribe(LaneIndex index) {
  Lane& here = lane(index);
  if (!here.connected || !available_ || here.subscribed != Subscribed::no) return std::nullopt;
  if (!wanted_ && !(open_ && !here.passed[at(Stream::qos_1_and_2)])) return std::nullopt;
  here.subscribed = Subscribed::asked;
  return topic();
}

void FenceRounds::on_subscribed(LaneIndex index, bool granted, Instant now) {
  lane(index).subscribed = granted ? Subscribed::held : Subscribed::no;
  if (!granted) return try_the_other_topic("subscription refused", now);
  if (!open_) return;
  // The round had begun on the other topic.
  const bool all =
      std::ranges::all_of(lanes_, [](const Lane& each) { return !each.in_use || each.subscribed == Subscribed::held; });
  if (!all) return;
  if (!has_passed(Stream::qos_0)) send(0);
  if (!has_passed(Stream::qos_1_and_2)) send(1);
}

void FenceRounds::on_subscribe_lost(LaneIndex index) {
  Lane& here = lane(index);
  if (here.subscribed == Subscribed::asked) here.subscribed = Subscribed::no;
}

void FenceRounds::on_refused(Instant now) {
  if (open_) try_the_other_topic("publish refused", now);
}

void FenceRounds::on_fence_lost(Instant now) {
  if (!open_ || has_passed(Stream::qos_1_and_2)) return;
  resends_qos_1_ = true;
  if (is_up()) deadline_ = now + kResendInterval;
}

void FenceRounds::try_the_other_topic(std::string_view why, Instant now) {
  deadline_ = kNever;
  if (choice_ == 1) {
    if (std::exchange(available_, false))
      logger_.warn("no fences", {{"reason", why},
                                 {"topic", topic()},
                                 {"hint", "the broker must let this client publish and subscribe to this topic"}});
    return;
  }
  logger_.warn("fence topic does not work", {{"reason", why}, {"topic", topic()}, {"next", topics_[1]}});
  choice_ = 1;
  proved_ = false;
  for (Lane& each : lanes_) each.subscribed = Subscribed::no;
  wanted_ = true;
  if (open_) deadline_ = now + kFirstFenceTimeout;
}

void FenceRounds::on_timer(Instant now) {
  if (!is_up() || now < deadline_) return;
  deadline_ = kNever;
  if (!open_) return;
  if (!proved_ && !resends_qos_1_) return try_the_other_topic("fence not back in time", now);
  deadline_ = now + kResendInterval;
  if (!has_passed(Stream::qos_0)) send(0);
  // The other one is late, not lost, unless it was given up.
  if (std::exchange(resends_qos_1_, false) && !has_passed(Stream::qos_1_and_2)) send(1);
}

}  // namespace famemely::gateway
