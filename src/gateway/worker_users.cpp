/// The part of a worker that knows users: their sockets here, and the subscriptions that belong to a user, not a
/// socket.

#include <algorithm>
#include <utility>

#include "gateway/worker.hpp"

namespace famemely::gateway {

// --- asking the link ---

RequestId Worker::subscribe_user(const std::string& user_id, const mqtt::TopicFilter& filter, std::uint8_t qos) {
  const RequestId request = ++last_request_;
  awaited_.insert(request);
  commands_.emplace_back(UserSubscribeCommand{options_.index, request, user_id, filter, qos});
  return request;
}

RequestId Worker::unsubscribe_user(const std::string& user_id, const mqtt::TopicFilter& filter) {
  const RequestId request = ++last_request_;
  awaited_.insert(request);
  commands_.emplace_back(UserUnsubscribeCommand{options_.index, request, user_id, filter});
  return request;
}

RequestId Worker::survey(SurveyScope scope) {
  const RequestId request = ++last_request_;
  awaited_.insert(request);
  commands_.emplace_back(SurveyCommand{options_.index, request, std::move(scope)});
  return request;
}

// --- sockets that come and go ---

Worker::UserHere& Worker::user_here(const std::string& user_id) {
  const auto [found, first] = users_.try_emplace(user_id);
  if (first) commands_.emplace_back(UserPresenceCommand{options_.index, user_id, true});
  return found->second;
}

void Worker::add_socket_of_user(const Client& client) {
  UserHere& user = user_here(client.identity->user_id);
  user.sockets.push_back(client.socket);
  for (const UserHere::Held& held : user.subscriptions)
    if (client.permissions->decide_subscribe(held.subscription->filter))
      settle_membership(client, held.subscription->filter, held.filter);
}

void Worker::keep_filter(const mqtt::TopicFilter& filter, FilterId id) {
  HeldFilter& held = held_[filter.text()];
  held.id = id;
  ++held.keepers;
}

void Worker::unkeep_filter(const mqtt::TopicFilter& filter) {
  --held_.at(filter.text()).keepers;
  release_unheld(filter);
}

/// Its own subscriptions are gone by now.
void Worker::remove_socket_of_user(const Client& client) {
  const auto found = users_.find(client.identity->user_id);
  UserHere& user = found->second;
  std::erase(user.sockets, client.socket);
  for (const UserHere::Held& held : user.subscriptions) index_.leave(held.filter, client.socket.slot);
}

void Worker::forget_user_if_gone(const std::string& user_id) {
  const auto found = users_.find(user_id);
  if (found == users_.end()) return;
  const UserHere& user = found->second;
  if (!user.sockets.empty() || user.away > 0 || user.recovering > 0) return;
  const std::vector<UserHere::Held> held = user.subscriptions;
  users_.erase(found);
  for (const UserHere::Held& left : held) unkeep_filter(left.subscription->filter);
  commands_.emplace_back(UserPresenceCommand{options_.index, user_id, false});
}

// --- what clients hold by their user ---

/// A socket's token may carry fewer rights than the one that the subscription was made with: it then goes without.
const Worker::UserHere::Held* Worker::held_by_user(const Client& client, const mqtt::TopicFilter& filter) const {
  const auto user = users_.find(client.identity->user_id);
  if (user == users_.end()) return nullptr;
  const auto held = std::ranges::find_if(user->second.subscriptions, [&](const UserHere::Held& candidate) {
    return candidate.subscription->filter == filter;
  });
  if (held == user->second.subscriptions.end() || !client.permissions->decide_subscribe(filter)) return nullptr;
  return &*held;
}

std::vector<std::shared_ptr<const UserSubscription>> Worker::user_subscriptions(const Client& client) const {
  std::vector<std::shared_ptr<const UserSubscription>> found;
  const auto user = users_.find(client.identity->user_id);
  if (user == users_.end()) return found;
  for (const UserHere::Held& held : user->second.subscriptions)
    if (client.permissions->decide_subscribe(held.subscription->filter)) found.push_back(held.subscription);
  return found;
}

void Worker::on_user_subscribed(const UserSubscribed& subscribed) {
  note_grant(subscribed.granted);
  const mqtt::TopicFilter& filter = subscribed.subscription->filter;
  const FilterId id = subscribed.granted.filter;
  held_[filter.text()].id = id;
  if (const auto found = users_.find(subscribed.subscription->user_id); found != users_.end()) {
    UserHere& user = found->second;
    const auto known = std::ranges::find_if(
        user.subscriptions, [&](const UserHere::Held& held) { return held.subscription->filter == filter; });
    // Only a question whether the broker still has it: nothing has changed for those who are here.
    if (known != user.subscriptions.end() && known->subscription == subscribed.subscription && known->filter == id)
      return;
    if (user.away > 0)  // for when they are back
      for (auto& [pid, place] : sessions_)
        if (place.kept && place.kept->user_id == subscribed.subscription->user_id)
          place.kept->unanswered_retained.push_back({id, last_message_});
    if (known == user.subscriptions.end()) {
      user.subscriptions.push_back({subscribed.subscription, id, subscribed.granted.after});
      keep_filter(filter, id);
    } else {
      *known = {subscribed.subscription, id, known->filter == id ? known->joined_at : subscribed.granted.after};
    }
    for (const socketio::SocketId socket : user.sockets) {
      const Client& client = *find(socket);
      if (!held_by_user(client, filter)) continue;
      settle_membership(client, filter, id);
      ask_retained(socket, id, last_message_);
    }
  }
  release_unheld(filter);  // its sockets may be gone, or have no right to it
}

void Worker::on_user_unsubscribed(const UserSubscription& subscription) {
  const auto found = users_.find(subscription.user_id);
  if (found == users_.end()) return;
  UserHere& user = found->second;
  for (std::size_t i = 0; i < user.subscriptions.size(); ++i)
    if (user.subscriptions[i].subscription->filter == subscription.filter)
      return drop_user_subscription(user, i, nullptr);
}

void Worker::on_user_subscription_refused(const UserSubscriptionRefused& refused) {
  const auto found = users_.find(refused.subscription->user_id);
  if (found == users_.end()) return;
  for (const socketio::SocketId socket : found->second.sockets)
    if (find(socket)->permissions->decide_subscribe(refused.subscription->filter))
      outcomes_.emplace_back(SubscriptionLost{socket, refused.subscription->filter, refused.error});
}

void Worker::drop_user_subscription(UserHere& user, std::size_t place, const Error* why) {
  const UserHere::Held held = std::move(user.subscriptions[place]);
  user.subscriptions.erase(user.subscriptions.begin() + static_cast<std::ptrdiff_t>(place));
  const mqtt::TopicFilter& filter = held.subscription->filter;
  for (const socketio::SocketId socket : user.sockets) {
    const Client& client = *find(socket);
    if (why && client.permissions->decide_subscribe(filter))
      outcomes_.emplace_back(SubscriptionLost{socket, filter, *why});
    settle_membership(client, filter, held.filter);
  }
  unkeep_filter(filter);
}

// --- surveys ---

namespace {

void add_to(Survey& part, const SurveyScope& scope, const std::string& user_id,
            const std::vector<Subscription>& subscriptions, bool active) {
  part.subscription_count += subscriptions.size();
  if (active) part.active_subscription_count += subscriptions.size();
  if (!scope.subscriptions) return;
  for (const Subscription& subscription : subscriptions)
    part.subscriptions.push_back({.id = subscription.id,
                                  .topic = subscription.filter.text(),
                                  .qos = subscription.qos,
                                  .user_id = user_id,
                                  .created_at = subscription.created_at,
                                  .source = ListedSubscription::Source::socket,
                                  .is_active = active});
}

}  // namespace

void Worker::answer_survey(const SurveyQuestion& question) {
  const SurveyScope& scope = *question.scope;
  Survey part{.connected_clients = client_count_,
              .messages_out = counters_.messages_out,
              .messages_dropped = counters_.messages_dropped,
              .publishes = counters_.publishes};
  if (scope.sockets) list_sockets(part);
  for_each_client([&](const Client& client) {
    const std::string& user_id = client.identity->user_id;
    if (scope.user_id && *scope.user_id != user_id) return;
    add_to(part, scope, user_id, client.subscriptions, true);
  });
  for (const auto& [pid, place] : sessions_)
    if (place.kept && (!scope.user_id || *scope.user_id == place.kept->user_id))
      add_to(part, scope, place.kept->user_id, place.kept->subscriptions, false);
  commands_.emplace_back(SurveyReply{options_.index, question.survey, std::move(part)});
}

}  // namespace famemely::gateway
