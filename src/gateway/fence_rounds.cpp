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
    on_session_lost(index, now);
  else if (open_)
    on_resumed(index);
  end_if_passed();
  deadline_ = open_ && all_are_connected() ? now + (proved_ ? Duration(kResendInterval) : Duration(kFirstFenceTimeout))
                                           : kNever;
}

void FenceRounds::on_session_lost(LaneIndex index, Instant now) {
  Lane& here = lane(index);
  here.subscribed = Subscribed::no;
  here.passed = {true, true};
  here.muted = false;
  if (index != 0 || (open_ && lanes_in_use() > 1)) return;
  // It may be another broker, or one with other rules.
  if ((bad_[0] || bad_[1]) && now >= last_drop_ + kTriedAgainAfter) {
    bad_ = {};
    is_tried_again_ = true;
  }
  choice_ = bad_[0] ? 1 : 0;
  proved_ = false;
  available_ = !bad_[choice_];
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
  if (index == 0 && available_ && !has_passed(Stream::qos_0)) send(0);
}

void FenceRounds::on_disconnected(LaneIndex index, bool blames_us, Instant now) {
  std::size_t* const drops = blames_us ? suspected(index) : nullptr;
  lane(index).connected = false;
  deadline_ = kNever;  // what is late waits for this lane
  if (!drops) return;
  last_drop_ = now;
  const std::size_t most = drops == &publish_drops_ ? kPublishDropsMax : kSubscribeDropsMax;
  if (++*drops < (is_tried_again_ ? 1 : most)) return;
  bad_[choice_] = true;
  try_the_other_topic("connections ended over it", now);
}

/// As long as the session sends a fence again on the topic that was left, that one is at fault.
std::size_t* FenceRounds::suspected(LaneIndex index) {
  if (!available_ || index >= lanes_.size() || !lanes_[index].connected) return nullptr;
  if (choice_ == 1 && in_flight_[0] > 0) return nullptr;
  if (lanes_[index].subscribed == Subscribed::asked) return &lanes_[index].subscribe_drops;
  return index == 0 && in_flight_[choice_] > 0 ? &publish_drops_ : nullptr;
}

void FenceRounds::on_publish_over(std::string_view topic, bool taken) {
  const std::size_t choice = topic == topics_[1] ? 1 : 0;
  --in_flight_[choice];
  if (!taken) return;
  publish_drops_ = 0;
  is_tried_again_ = false;
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
  Lane& here = lane(index);
  here.subscribed = granted ? Subscribed::held : Subscribed::no;
  here.subscribe_drops = 0;
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
  constexpr std::string_view kHint =
      "the broker must let this client publish and subscribe to this topic, or to another that MQTT_FENCE_TOPIC names: "
      "docs/brokers.md";
  if (choice_ == 1 || bad_[1]) {
    if (std::exchange(available_, false))
      logger_.warn("no fences", {{"reason", why}, {"topic", topic()}, {"hint", kHint}});
    return;
  }
  logger_.warn("fence topic does not work",
               {{"reason", why}, {"topic", topic()}, {"next", topics_[1]}, {"hint", kHint}});
  choice_ = 1;
  proved_ = false;
  publish_drops_ = 0;
  for (Lane& each : lanes_) {
    each.subscribed = Subscribed::no;
    each.subscribe_drops = 0;
  }
  wanted_ = true;
  resends_qos_1_ = false;
  if (open_) deadline_ = now + kFirstFenceTimeout;
}

void FenceRounds::on_timer(Instant now) {
  if (!is_up() || now < deadline_) return;
  deadline_ = kNever;
  if (!open_ || !available_) return;
  if (!proved_ && !resends_qos_1_) return try_the_other_topic("fence not back in time", now);
  deadline_ = now + kResendInterval;
  if (!has_passed(Stream::qos_0)) send(0);
  // The other one is late, not lost, unless it was given up.
  if (std::exchange(resends_qos_1_, false) && !has_passed(Stream::qos_1_and_2)) send(1);
}

}  // namespace famemely::gateway
