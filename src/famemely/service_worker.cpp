#include "famemely/service_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely {
namespace {

using gateway::RequestId;

constexpr gateway::WorkerIndex kOnlyWorker = 0;
/// Above the numbers of handlers, which the service counts up from 1.
constexpr HolderId kFirstSubscription = HolderId{1} << 63;

Error not_connected() { return {ErrorCode::unavailable, "MQTT client is not connected"}; }

}  // namespace

// --- the link comes and goes ---

void ServiceWorker::begin() {
  linked_ = true;
  last_grant_ = 0;
  status_ = {};
  ask_for_all_that_lack_it();
}

void ServiceWorker::end(const Error& error) {
  linked_ = false;
  status_.is_connected = false;
  status_.connected_at.reset();
  for (auto& [request, done] : std::exchange(publishes_, {})) {
    ++publishes_failed_;
    answer(std::move(done), error);
  }
  for (auto& [request, ask] : std::exchange(asks_, {})) {
    const auto holder = holders_.find(ask.holder);
    if (holder != holders_.end() && holder->second.handler) {
      holder->second.waiting = std::move(ask.done);  // for the next link
      continue;
    }
    if (holder != holders_.end() && !holder->second.granted) forget(ask.holder);
    answer(std::move(ask.done), failure(error));
  }
  retained_asks_.clear();
  granted_.clear();
  for (auto& [id, holder] : holders_) holder.asked = holder.granted = false;
  for (auto& [text, held] : held_) held.id = held.asks = 0;
  std::erase_if(held_, [](const auto& held) { return held.second.holders.empty(); });
  commands_.clear();
}

// --- requests ---

void ServiceWorker::publish(gateway::OutgoingMessage message, Completion done) {
  if (!linked_) {
    ++publishes_failed_;
    return answer(std::move(done), not_connected());
  }
  const RequestId request = ++last_request_;
  publishes_.emplace(request, std::move(done));
  commands_.emplace_back(gateway::PublishCommand{kOnlyWorker, request, std::move(message)});
}

void ServiceWorker::subscribe(const mqtt::TopicFilter& filter, std::uint8_t qos, GrantCompletion done) {
  if (!linked_) return answer(std::move(done), failure(not_connected()));
  auto [place, fresh] = subscriptions_.try_emplace(filter.text(), kFirstSubscription + last_subscription_ + 1);
  if (fresh) {
    ++last_subscription_;
    holders_.emplace(place->second, Holder{.filter = filter, .qos = qos, .handler = nullptr});
    held_[filter.text()].holders.push_back(place->second);
  }
  holders_.at(place->second).qos = qos;
  ask(place->second, std::move(done));
}

void ServiceWorker::unsubscribe(const mqtt::TopicFilter& filter, Completion done) {
  const auto found = subscriptions_.find(filter.text());
  if (found == subscriptions_.end())
    return answer(std::move(done), Error{ErrorCode::not_found, fmt::format("Not subscribed to {}", filter.text())});
  forget(found->second);
  answer(std::move(done), std::nullopt);
}

void ServiceWorker::add_handler(HolderId id, const mqtt::TopicFilter& filter, const HandlerOptions& options,
                                std::shared_ptr<RegisteredHandler> handler, GrantCompletion done) {
  if (!options.subscribe) {
    listeners_.emplace(id, Listener{filter, options.qos, std::move(handler)});
    return;
  }
  holders_.emplace(id, Holder{.filter = filter, .qos = options.qos, .handler = std::move(handler)});
  held_[filter.text()].holders.push_back(id);
  if (linked_)
    ask(id, std::move(done));
  else
    holders_.at(id).waiting = std::move(done);
}

void ServiceWorker::remove_handler(HolderId id) {
  if (listeners_.erase(id) == 0) forget(id);
}

void ServiceWorker::answer(Completion done, std::optional<Error> error) {
  answers_.emplace_back([done = std::move(done), error = std::move(error)]() mutable { done(std::move(error)); });
}

void ServiceWorker::answer(GrantCompletion done, Result<std::uint8_t, Error> granted) {
  if (!done) return;  // told already
  answers_.emplace_back([done = std::move(done), granted = std::move(granted)]() mutable { done(std::move(granted)); });
}

/// The filter stays as long as others hold it, or an answer for it is on its way.
void ServiceWorker::forget(HolderId id) {
  const auto found = holders_.find(id);
  if (found == holders_.end()) return;
  const mqtt::TopicFilter filter = found->second.filter;
  if (!found->second.handler) subscriptions_.erase(filter.text());
  holders_.erase(found);
  std::erase(held_.at(filter.text()).holders, id);
  release_unheld(filter);
}

void ServiceWorker::release_unheld(const mqtt::TopicFilter& filter) {
  const auto held = held_.find(filter.text());
  if (held == held_.end() || held->second.asks > 0 || !held->second.holders.empty()) return;
  if (const gateway::FilterId id = held->second.id; id != 0) {
    granted_.erase(id);
    commands_.emplace_back(gateway::ReleaseCommand{kOnlyWorker, id, last_grant_});
  }
  held_.erase(held);
}

void ServiceWorker::ask(HolderId id, GrantCompletion done) {
  Holder& holder = holders_.at(id);
  holder.asked = true;
  ++held_.at(holder.filter.text()).asks;
  const RequestId request = ++last_request_;
  asks_.emplace(request, Ask{id, holder.filter, holder.qos, std::move(done)});
  commands_.emplace_back(gateway::SubscribeCommand{kOnlyWorker, request, holder.filter, holder.qos});
}

void ServiceWorker::ask_for_all_that_lack_it() {
  for (auto& [id, holder] : holders_)
    if (!holder.asked && !holder.granted) ask(id, std::exchange(holder.waiting, {}));
}

// --- what the link says ---

void ServiceWorker::on_link_event(gateway::WorkerEvent& event, WallTime now, std::vector<Call>& calls) {
  if (const auto* delivery = std::get_if<gateway::Delivery>(&event)) return deliver(*delivery, now, calls);
  if (auto* published = std::get_if<gateway::PublishAnswer>(&event)) return on_publish_answer(*published);
  if (auto* subscribed = std::get_if<gateway::SubscribeAnswer>(&event)) return on_subscribe_answer(*subscribed);
  if (const auto* retained = std::get_if<gateway::RetainedMessages>(&event)) return on_retained(*retained, now, calls);
  if (const auto* lost = std::get_if<gateway::FilterLost>(&event)) return on_filter_lost(*lost);
  if (auto* status = std::get_if<gateway::LinkStatus>(&event)) {
    status_ = std::move(*status);
    if (status_.is_connected) ask_for_all_that_lack_it();
  }
  // All others answer what this worker never asks.
}

void ServiceWorker::on_publish_answer(gateway::PublishAnswer& published) {
  const auto found = publishes_.find(published.request);
  if (found == publishes_.end()) return;
  ++(published.error ? publishes_failed_ : publishes_taken_);
  answer(std::move(found->second), std::move(published.error));
  publishes_.erase(found);
}

void ServiceWorker::on_subscribe_answer(gateway::SubscribeAnswer& subscribed) {
  const auto found = asks_.find(subscribed.request);
  if (found == asks_.end()) return;
  Ask ask = std::move(found->second);
  asks_.erase(found);
  HeldFilter& held = held_.at(ask.filter.text());
  --held.asks;
  if (subscribed.outcome) {
    if (held.id != 0) granted_.erase(held.id);
    held.id = subscribed.outcome->filter;
    last_grant_ = subscribed.outcome->number;
    granted_.insert_or_assign(held.id, ask.filter);
  }
  const auto place = holders_.find(ask.holder);
  if (place == holders_.end()) {  // given up meanwhile
    if (subscribed.outcome)
      answer(std::move(ask.done), std::min(ask.qos, subscribed.outcome->qos));
    else
      answer(std::move(ask.done), failure(std::move(subscribed.outcome.error())));
    return release_unheld(ask.filter);
  }
  Holder& holder = place->second;
  holder.asked = false;
  if (subscribed.outcome) {
    holder.qos_granted = std::min(ask.qos, subscribed.outcome->qos);
    // Asked for again, it has had all messages up to here.
    if (!std::exchange(holder.granted, true)) holder.joined_at = subscribed.outcome->after;
    const RequestId request = ++last_request_;
    retained_asks_.emplace(request, RetainedAsk{ask.holder, held.id, subscribed.outcome->after});
    commands_.emplace_back(gateway::RetainedCommand{kOnlyWorker, request, held.id, subscribed.outcome->after});
    return answer(std::move(ask.done), holder.qos_granted);
  }
  if (holder.handler && subscribed.outcome.error().code == ErrorCode::unavailable && !status_.is_connected) {
    holder.waiting = std::move(ask.done);  // for the next connection
    return;
  }
  // A handler stays: the next connection may be to a broker that thinks otherwise.
  if (!holder.handler && !holder.granted) forget(ask.holder);
  answer(std::move(ask.done), failure(std::move(subscribed.outcome.error())));
}

void ServiceWorker::on_filter_lost(const gateway::FilterLost& lost) {
  const auto found = granted_.find(lost.filter);
  if (found == granted_.end()) return;
  HeldFilter& held = held_.at(found->second.text());
  granted_.erase(found);
  held.id = 0;
  for (const HolderId id : held.holders) holders_.at(id).granted = false;
}

// --- messages ---

void ServiceWorker::deliver(const gateway::Delivery& delivery, WallTime now, std::vector<Call>& calls) {
  MessageCall call{delivery.frame, now, {}};
  for (const gateway::FilterId id : delivery.matched->filters) {
    const auto found = granted_.find(id);
    if (found == granted_.end()) continue;
    for (const HolderId holder_id : held_.at(found->second.text()).holders) {
      const Holder& holder = holders_.at(holder_id);
      if (holder.handler && holder.granted && delivery.sequence > holder.joined_at)
        call.receivers.push_back({holder.handler, std::min(delivery.qos, holder.qos_granted)});
    }
  }
  add_listeners(delivery.matched->topic, delivery.qos, call);
  if (!call.receivers.empty()) calls.emplace_back(std::move(call));
}

void ServiceWorker::add_listeners(std::string_view topic, std::uint8_t qos, MessageCall& call) const {
  for (const auto& [id, listener] : listeners_)
    if (mqtt::matches(listener.filter, topic))
      call.receivers.push_back({listener.handler, std::min(qos, listener.qos)});
}

void ServiceWorker::on_retained(const gateway::RetainedMessages& retained, WallTime now, std::vector<Call>& calls) {
  for (const RequestId request : retained.requests) {
    const auto found = retained_asks_.find(request);
    if (found == retained_asks_.end()) continue;
    const RetainedAsk asked = found->second;
    if (!retained.more) retained_asks_.erase(found);
    const auto holder = holders_.find(asked.holder);
    if (holder == holders_.end() || !holder->second.granted) continue;
    for (const gateway::RetainedMessage& message : retained.list->messages) {
      if (!retained.list->is_for(message, asked.joined_at)) continue;
      MessageCall call{message.frame, now, {}};
      if (holder->second.handler)
        call.receivers.push_back({holder->second.handler, 0});
      else
        add_listeners(message.topic, 0, call);
      if (!call.receivers.empty()) calls.emplace_back(std::move(call));
    }
  }
}

ServiceWorker::Counts ServiceWorker::counts() const {
  Counts counts{.filters = held_.size(),
                .granted_filters = granted_.size(),
                .handlers = listeners_.size() + holders_.size() - subscriptions_.size(),
                .publishes = publishes_taken_,
                .publishes_failed = publishes_failed_,
                .publishes_waiting = publishes_.size()};
  return counts;
}

}  // namespace famemely
