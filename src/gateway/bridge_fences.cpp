/// The part of the bridge that turns rounds of fences, and hands over the retained messages that ride on them.

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "gateway/bridge.hpp"

namespace famemely::gateway {

void Bridge::turn_rounds(Now now) {
  finish_round();
  auto& fetched = fetcher_.fetched();
  awaiting_round_.insert(awaiting_round_.end(), std::make_move_iterator(fetched.begin()),
                         std::make_move_iterator(fetched.end()));
  fetched.clear();
  if (!fences_.available()) {
    filters_.cancel_round();
    // An older live message may come after what is handed over now: better than nothing at all.
    hand_over_retained(riding_);
    hand_over_retained(awaiting_round_);
  }
  if (!awaiting_round_.empty() || filters_.wants_round()) fences_.want();
  if (!fences_.ready()) return;
  const bool something_to_give_up = filters_.begin_round();
  riding_ = std::exchange(awaiting_round_, {});
  if (something_to_give_up || !riding_.empty())
    fences_.begin(now.instant);
  else
    fences_.skip();
}

void Bridge::finish_round() {
  if (!fences_.take_finished()) return;
  filters_.end_round();
  hand_over_retained(riding_);
}

void Bridge::send_fences(Now now) {
  for (const auto& lane : lanes_) {
    const auto topic = fences_.take_subscribe(lane->index());
    if (!topic) continue;
    mqtt::SubscribeCommand command{.token = ++last_token_, .entries = {}};
    command.entries.push_back({.filter = mqtt::TopicFilter::parse(*topic).value(), .qos = 1});
    if (lane->session().subscribe(command, now.instant, lane->effects()))
      fence_subscribes_.insert(command.token);
    else
      fences_.on_subscribed(lane->index(), false, now.instant);
  }
  for (FenceRounds::Publish& fence : std::exchange(fences_.publishes(), {})) {
    const mqtt::Token token = ++last_token_;
    const std::uint8_t qos = fence.qos;
    const auto accepted = first().session().publish({.token = token,
                                                     .topic = mqtt::TopicName::parse(fence.topic).value(),
                                                     .payload = std::move(fence.payload),
                                                     .qos = qos},
                                                    now.instant, first().effects());
    if (!accepted)
      fences_.on_refused(now.instant);
    else if (qos > 0) {
      fences_.on_publish_begun(fence.topic);
      fence_publishes_.emplace(token, std::move(fence.topic));
    }
  }
}

void Bridge::hand_over_retained(std::vector<RetainedFetcher::Portion>& portions) {
  for (RetainedFetcher::Portion& portion : std::exchange(portions, {})) hand_over_retained(portion);
}

/// A broker of version 3.1.1 does not say whether a live message is retained, so any overtakes. If it was another one,
/// the topic is fetched once more: what comes then is newer than the live message, or the same.
void Bridge::hand_over_retained(RetainedFetcher::Portion& portion) {
  const bool is_5 = first().session().version() == mqtt::ProtocolVersion::v5;
  const auto earliest = std::ranges::min_element(portion.wishes, {}, &RetainedFetcher::Wish::joined_at);
  auto list = std::make_shared<RetainedList>();
  list->second_time = portion.second_time();
  std::map<std::string, MessageSequence> again;
  for (std::size_t i = 0; i < portion.messages.size(); ++i) {
    RetainedMessage& message = portion.messages[i];
    if (fences_.is_reserved(message.topic)) continue;
    const UpstreamFilters::Match* live = filters_.cached_match(message.topic);
    const MessageSequence overtaken_at = live ? live->last_overtaking : 0;
    const bool known_live = live && live->last_fingerprint == portion.fingerprints[i];
    if (portion.second_time()) {
      if (overtaken_at > portion.started_at || known_live) continue;
      message.overtaken_at = portion.overtaken.at(message.topic);
    } else {
      message.overtaken_at = overtaken_at;
      if (!is_5 && overtaken_at > earliest->joined_at && !known_live) again.emplace(message.topic, overtaken_at);
    }
    list->messages.push_back(std::move(message));
  }
  const bool more = !again.empty() || portion.more;
  std::map<WorkerIndex, RetainedMessages> by_worker;
  for (const RetainedFetcher::Wish& wish : portion.wishes) {
    RetainedMessages& event = by_worker.try_emplace(wish.worker, RetainedMessages{{}, list, more}).first->second;
    event.requests.push_back(wish.request);
  }
  for (auto& [worker, event] : by_worker) queue(worker, std::move(event));
  if (!again.empty()) fetcher_.want_again(std::move(again), portion.wishes);
}

}  // namespace famemely::gateway
