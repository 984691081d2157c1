/// The part of the bridge that brings a client and its session together again, and finds the messages that it has
/// missed.
///
/// It is done here because everything passes here in one order: the worker that had the session answers before it gives
/// up its filters, and the worker that gets it holds them from the place in its queue where it learns of the session.

#include <algorithm>
#include <utility>

#include "gateway/bridge.hpp"

namespace famemely::gateway {

void Bridge::keep_for_recovery(const Delivery& delivery, Now now) {
  recent_.add(delivery.sequence, delivery.matched->filters, delivery, delivery.frame.size(), now.instant);
}

void Bridge::forget_gone_filters() {
  for (const FilterId id : std::exchange(filters_.actions().gone, {})) recent_.forget(id);
}

void Bridge::recover(RecoverCommand& command) {
  const socketio::Sid pid = command.wanted.pid;
  if (const auto busy = recovering_.find(pid); busy != recovering_.end()) {
    recoveries_.at(busy->second).waiting.push_back(std::move(command));
    return;
  }
  const auto moved = moved_sessions_.find(pid);
  const std::size_t owner = moved == moved_sessions_.end() ? pid.owner() : moved->second;
  if (owner >= workers_.size()) return queue(command.worker, Recovered{.request = command.request});
  const std::uint64_t id = ++last_recovery_;
  recoveries_.emplace(id, PendingRecovery{{command.worker, command.request}, pid});
  recovering_.emplace(pid, id);
  queue(owner, RecoveryQuestion{id, std::move(command.wanted), std::move(command.user_id)});
}

void Bridge::on_recovery_reply(RecoveryReply& reply, Now now) {
  auto recovery = recoveries_.extract(reply.recovery);
  if (recovery.empty()) return;
  PendingRecovery& pending = recovery.mapped();
  recovering_.erase(pending.pid);

  Recovered recovered{.request = pending.asker.request, .after = filters_.last_message()};
  recent_.trim(now.instant);
  const auto missed = reply.session && reply.seen <= filters_.last_message()
                          ? recent_.missed(reply.interests, options_.recovery_bytes)
                          : std::nullopt;
  if (missed) {
    for (const Delivery* delivery : *missed) recovered.missed.push_back(*delivery);
    for (const Subscription& own : reply.session->subscriptions)
      if (filters_.contains(own.filter_id))
        recovered.granted.push_back(filters_.hold(own.filter_id, pending.asker.worker, own.qos));
    // The user's own are on their way to the worker, but may have to wait for the broker: the session must not.
    users_.bring(reply.session->user_id, pending.asker.worker, reply.interests);
    for (auto& [worker, event] : std::exchange(users_.events(), {})) queue(worker, std::move(event));
    recovered.session = std::move(reply.session);
    recovered.interests = std::move(reply.interests);
  }
  if (recovered.session && pending.asker.worker != pending.pid.owner())
    moved_sessions_.insert_or_assign(pending.pid, pending.asker.worker);
  else if (!reply.still_here)
    moved_sessions_.erase(pending.pid);
  queue(pending.asker.worker, std::move(recovered));

  while (!pending.waiting.empty()) {
    RecoverCommand next = std::move(pending.waiting.front());
    pending.waiting.pop_front();
    recover(next);
  }
}

}  // namespace famemely::gateway
