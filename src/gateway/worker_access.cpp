/// The part of a worker that sees to it that nobody stays longer, or hears more, than the token allows.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/message_event.hpp"
#include "gateway/worker.hpp"

namespace famemely::gateway {
namespace {

/// How long before its end a client is told.
constexpr std::chrono::seconds kExpiryNotice{60};
/// How long a client stays whose key is not in force any more.
constexpr std::chrono::seconds kWithdrawalGrace{30};
/// What a turn spends on permissions that have changed, in comparisons of a filter with one topic that has
/// placeholders (20 ns each): about a millisecond. And what the rest takes beside one: a decision, and a topic whose
/// placeholders are replaced.
constexpr std::size_t kSliceCost = 50'000;
constexpr std::size_t kDecisionCost = 25;
constexpr std::size_t kPermissionsCost = 50;
/// The wall clock may be set meanwhile, so no alarm is further away.
constexpr std::chrono::minutes kLookAgain{10};

/// The end that a client is told; nothing: it may stay.
std::optional<WallTime> end_of(const Client& client) {
  const std::optional<WallTime>& expires_at = client.identity->expires_at;
  if (expires_at && client.withdrawn_at) return std::min(*expires_at, *client.withdrawn_at);
  return expires_at ? expires_at : client.withdrawn_at;
}

}  // namespace

// --- how long ---

/// When the client is closed if nothing happens. The leeway is for clocks that differ; a grace is by our own.
std::optional<WallTime> Worker::closes_at(const Client& client) const {
  std::optional<WallTime> closes = client.withdrawn_at;
  if (const auto& expires_at = client.identity->expires_at) {
    const WallTime late = *expires_at + std::chrono::duration_cast<std::chrono::milliseconds>(options_.token_leeway);
    closes = closes ? std::min(*closes, late) : late;
  }
  return closes;
}

/// The client has come, or its token, or the keys are others.
void Worker::begin_access(Client& client, Now now) {
  const bool accepted = !options_.still_accepts || options_.still_accepts(*client.identity);
  if (accepted)
    client.withdrawn_at.reset();
  else if (!client.withdrawn_at)
    client.withdrawn_at = now.wall + kWithdrawalGrace;
  watch_access(client, now);
}

void Worker::watch_access(const Client& client, Now now) {
  const auto end = end_of(client);
  if (!end) return access_alarms_.cancel(client.socket.slot);
  const WallTime due = client.told_end == end ? *closes_at(client) : *end - kExpiryNotice;
  const Duration left = std::clamp<Duration>(due - now.wall, Duration::zero(), kLookAgain);
  access_alarms_.set(client.socket.slot, now.instant + left);
}

void Worker::on_access_alarm(Client& client, Now now, socketio::Effects& effects) {
  if (now.wall >= *closes_at(client)) {
    emit_momentary(client, "mqtt:auth:expired", "{}");
    // No DISCONNECT packet: the official clients then come back by themselves, with a fresh token.
    return server_.close_transport(client.socket, socketio::DisconnectReason::token_expired, now, effects);
  }
  const WallTime end = *end_of(client);
  // Who renews with a token of the same end has been told.
  if (client.told_end != end && now.wall >= end - kExpiryNotice) {
    client.told_end = end;
    emit_momentary(client, "mqtt:auth:expiring", fmt::format("{{\"expiresAt\":\"{}\"}}", to_iso8601(end)));
  }
  watch_access(client, now);
}

/// Of no use to a client that comes back later. Its offset says that the client has seen all before it.
void Worker::emit_momentary(const Client& client, std::string_view event, std::string args_json) {
  if (client.pid) {
    const OwnEvents::Event* newest = client.own_events.newest();
    const bool own = newest && newest->after == last_message_;
    socketio::append_offset(args_json, own ? newest->offset : fmt::format("{}", last_message_));
  }
  server_.emit(client.socket, socketio::make_event_frame(kNamespace, event, args_json));
}

void Worker::check_keys(Now now) {
  if (!options_.still_accepts) return;
  for_each_client([&](Client& client) {
    if (options_.still_accepts(*client.identity) == client.withdrawn_at.has_value()) begin_access(client, now);
  });
}

// --- what it may hear ---

void Worker::renew(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
                   std::shared_ptr<const Permissions> permissions, Now now) {
  Client* client = find(socket);
  if (!client) return;
  client->identity = std::move(identity);
  client->withdrawn_at.reset();
  begin_access(*client, now);
  // The same token again.
  if (client->permissions == permissions) return;
  client->permissions = std::move(permissions);
  begin_recheck(*client);
}

std::shared_ptr<const Permissions> Worker::PolicyChange::permissions_of(
    const std::shared_ptr<const Identity>& identity) {
  std::shared_ptr<const Permissions>& permissions = made[identity];
  if (!permissions) permissions = std::make_shared<const Permissions>(policy, *identity);
  return permissions;
}

void Worker::use_policy(const std::shared_ptr<const PermissionPolicy>& policy) {
  policy_change_.emplace(policy);
  for (auto& [request, ask] : recover_asks_) ask.permissions = policy_change_->permissions_of(ask.identity);
}

void Worker::go_on_with_policy() {
  if (!policy_change_) return;
  std::size_t& slot = policy_change_->next_slot;
  for (std::size_t cost = 0; cost < kSliceCost && slot < clients_.size(); ++slot) {
    Client& client = clients_[slot];
    // Who has come since has the new rules already.
    if (!client.identity || &client.permissions->policy() == policy_change_->policy.get()) continue;
    client.permissions = policy_change_->permissions_of(client.identity);
    begin_recheck(client);
    cost += kPermissionsCost * (1 + client.permissions->own_topic_count());
  }
  if (slot >= clients_.size()) policy_change_.reset();
}

void Worker::begin_recheck(Client& client) {
  // One that is under way is finished first: else who brings new tokens all the time would keep what stands last.
  if (client.recheck.is_due()) {
    client.recheck.once_more = true;
    return;
  }
  client.recheck = {client.subscriptions.size(), users_.at(client.identity->user_id).subscriptions.size()};
  if (client.recheck.is_due()) rechecks_.push_back(client.socket);
}

/// Both lists are gone through from their ends, so that what leaves them meanwhile hides nothing.
void Worker::go_on_with_rechecks() {
  for (std::size_t cost = 0; cost < kSliceCost && !rechecks_.empty();) {
    const socketio::SocketId socket = rechecks_.front();
    rechecks_.pop_front();
    Client* client = find(socket);
    if (!client) continue;
    Recheck& due = client->recheck;
    const std::vector<UserHere::Held>& of_user = users_.at(client->identity->user_id).subscriptions;
    const std::size_t cost_of_one = kDecisionCost + client->permissions->own_topic_count();
    due.own = std::min(due.own, client->subscriptions.size());
    for (; due.own != 0 && cost < kSliceCost; cost += cost_of_one) recheck(*client, --due.own);
    due.of_user = std::min(due.of_user, of_user.size());
    for (; due.of_user != 0 && cost < kSliceCost; cost += cost_of_one) recheck(*client, of_user[--due.of_user]);
    if (due.own != 0 || due.of_user != 0)
      rechecks_.push_back(socket);
    else if (std::exchange(due.once_more, false))
      begin_recheck(*client);
  }
}

void Worker::recheck(Client& client, std::size_t own) {
  const mqtt::TopicFilter filter = client.subscriptions[own].filter;
  if (client.permissions->decide_subscribe(filter)) return;
  leave(client, own);
  outcomes_.emplace_back(SubscriptionRevoked{client.socket, filter});
}

/// A subscription of the user stays, and delivers to those of the user's sockets that have a right to it: here it comes
/// or goes.
void Worker::recheck(Client& client, const UserHere::Held& held) {
  const mqtt::TopicFilter& filter = held.subscription->filter;
  if (client.find(filter)) return;
  const bool was_member = index_.is_member(held.filter, client.socket.slot);
  const bool has_right = static_cast<bool>(client.permissions->decide_subscribe(filter));
  if (was_member == has_right) return;
  settle_membership(client, filter, held.filter);
  if (has_right)
    ask_retained(client.socket, held.filter, last_message_);
  else
    outcomes_.emplace_back(SubscriptionRevoked{client.socket, filter});
}

}  // namespace famemely::gateway
