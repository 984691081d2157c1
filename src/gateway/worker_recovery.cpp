/// The part of a worker that keeps the sessions of sockets whose connections drop, and gives them back.
///
/// A session that is kept holds its filters, so that the link goes on noting the messages for it; it is a member of
/// nothing, so it costs the messages nothing. Whoever wants it back asks the link, which asks the worker that has it.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/message_event.hpp"
#include "gateway/worker.hpp"

namespace famemely::gateway {
namespace {

/// What a subscription takes besides its filter's text, and a session besides what it holds: measured, with what the
/// indexes and the user's entry take for it.
constexpr std::size_t kSubscriptionBytes = 1'000;
constexpr std::size_t kSessionBytes = 2'600;
constexpr std::chrono::seconds kSharingInterval{1};

std::uint64_t key_of(socketio::SocketId socket) { return std::uint64_t{socket.slot} << 32 | socket.generation; }

bool concerns(const Delivery& delivery, FilterId filter, MessageSequence joined_at) {
  return joined_at < delivery.sequence && std::ranges::count(delivery.matched->filters, filter) > 0;
}

}  // namespace

std::size_t KeptSession::bytes() const {
  std::size_t bytes = kSessionBytes + own_events.bytes();
  for (const Subscription& subscription : subscriptions)
    bytes += kSubscriptionBytes + subscription.filter.text().size();
  for (const UnansweredSubscribe& wanted : unanswered_subscribes)
    bytes += kSubscriptionBytes + wanted.filter.text().size();
  return bytes;
}

std::optional<socketio::Sid> Worker::make_pid() {
  if (options_.recovery_window == Duration::zero()) return std::nullopt;
  return socketio::Sid::make(random_, options_.index);
}

// --- keeping ---

void Worker::keep_session(socketio::SocketId socket, Now now) {
  Client* client = find(socket);
  if (!client) return;
  if (!client->pid) return remove_client(socket);
  std::shared_ptr<KeptSession> session = take_session(*client);
  session->deadline = now.instant + options_.recovery_window;
  away_sockets_.emplace(key_of(socket), session->pid);
  session->socket = socket;
  const std::string user_id = session->user_id;
  store(std::move(session));
  keep_within_limits_of(user_id);
  keep_within_bounds(nullptr, now.instant);
}

bool Worker::users_are_limited() const {
  if (!options_.accounts) return false;
  const UserLimits& limits = options_.accounts->limits();
  return limits.connections || limits.subscriptions;
}

/// What a user may have, sessions of theirs may have over again while they are kept, and no more: else whoever comes
/// and goes would have filters without end. The oldest go first.
void Worker::keep_within_limits_of(const std::string& user_id) {
  if (!users_are_limited()) return;
  const UserLimits& limits = options_.accounts->limits();
  for (;;) {
    const auto found = users_.find(user_id);
    if (found == users_.end() || found->second.kept.empty()) return;
    const UserHere& user = found->second;
    const bool fits = (!limits.connections || user.kept.size() <= *limits.connections) &&
                      (!limits.subscriptions || user.kept_filters <= *limits.subscriptions);
    if (fits) return;
    end_kept(user.kept.front());
  }
}

/// The client is gone from the worker after this; its filters and its user stay until `release_filters`.
std::shared_ptr<KeptSession> Worker::take_session(Client& client) {
  const socketio::SocketId socket = client.socket;
  auto session = std::make_shared<KeptSession>();
  session->sid = *client.sid;
  session->pid = *client.pid;
  session->user_id = client.identity->user_id;
  session->session_id = client.identity->session_id;
  session_bytes_ -= client.own_events.bytes();
  session->own_events = std::move(client.own_events);
  session->subscriptions = std::move(client.subscriptions);
  session->replays = replays_.take(socket.slot);
  session->dropped = client.dropped;
  for (const Subscription& subscription : session->subscriptions) {
    keep_filter(subscription.filter, subscription.filter_id);
    index_.leave(subscription.filter_id, socket.slot);
  }
  std::erase_if(retained_asks_, [&](const auto& entry) {
    const RetainedAsk& ask = entry.second;
    if (ask.socket != socket) return false;
    session->unanswered_retained.push_back({ask.filter, ask.joined_at});
    return true;
  });
  // Their answers find nobody; the client gets one after all when it is back.
  if (client.asks > 0)
    for (const auto& [request, ask] : asks_)
      if (ask.socket == socket && ask.then_unsubscribe.empty())
        session->unanswered_subscribes.push_back({ask.filter, ask.qos});
  ++users_.at(session->user_id).away;
  remove_socket_of_user(client);
  forget(client);
  return session;
}

/// Its filters are kept, and its user is, already.
void Worker::store(std::shared_ptr<KeptSession> session) {
  session_bytes_ += session->bytes();
  kept_until_.emplace(session->deadline, session->pid);
  const socketio::Sid pid = session->pid;
  if (users_are_limited()) {
    UserHere& user = users_.at(session->user_id);
    user.kept.push_back(pid);
    user.kept_filters += session->filter_count();
  }
  sessions_[pid] = {.socket = {}, .kept = std::move(session)};
}

/// A kept session leaves the worker, or ends.
std::shared_ptr<KeptSession> Worker::take_kept(const socketio::Sid& pid) {
  const auto found = sessions_.find(pid);
  std::shared_ptr<KeptSession> session = std::move(found->second.kept);
  sessions_.erase(found);
  session_bytes_ -= session->bytes();
  if (users_are_limited()) {
    UserHere& user = users_.at(session->user_id);
    std::erase(user.kept, pid);
    user.kept_filters -= session->filter_count();
  }
  if (session->socket) away_sockets_.erase(key_of(*session->socket));
  const auto [first, last] = kept_until_.equal_range(session->deadline);
  for (auto it = first; it != last; ++it)
    if (it->second == pid) {
      kept_until_.erase(it);
      break;
    }
  return session;
}

void Worker::release_filters(const KeptSession& session) {
  for (const Subscription& subscription : session.subscriptions) unkeep_filter(subscription.filter);
  --users_.at(session.user_id).away;
  forget_user_if_gone(session.user_id);
}

/// By value: the identifier may be the list's own, and goes with its entry.
void Worker::end_kept(socketio::Sid pid) {
  const std::shared_ptr<KeptSession> session = take_kept(pid);
  release_filters(*session);
  if (pid.owner() != options_.index) commands_.emplace_back(SessionOverCommand{pid});
}

/// Of a socket that is here.
void Worker::end_session(const socketio::Sid& pid) {
  sessions_.erase(pid);
  if (pid.owner() != options_.index) commands_.emplace_back(SessionOverCommand{pid});
}

/// Over the bound, first the sockets that are here and were sent much lose what they probably have seen; then sessions
/// end, those whose time is nearly over first.
void Worker::keep_within_bounds(Client* adding, Instant now) {
  if (session_bytes_ <= options_.recovery_bytes_total) return;
  const auto forget = [](OwnEvents& events) { events.clear(); };
  if (now >= next_sharing_) {
    next_sharing_ = now + kSharingInterval;
    const std::size_t share = options_.recovery_bytes_total / (client_count_ + kept_until_.size() + 1);
    for_each_client([&](Client& client) {
      if (client.own_events.bytes() > share) change_own_events(client, forget);
    });
  }
  if (session_bytes_ > options_.recovery_bytes_total && adding) change_own_events(*adding, forget);
  while (session_bytes_ > options_.recovery_bytes_total && !kept_until_.empty()) end_kept(kept_until_.begin()->second);
}

void Worker::on_timer(Now now, socketio::Effects& effects) {
  go_on_with_policy();
  go_on_with_rechecks();
  while (const auto slot = access_alarms_.take_due(now.instant)) on_access_alarm(clients_[*slot], now, effects);
  while (!kept_until_.empty() && kept_until_.begin()->first <= now.instant) end_kept(kept_until_.begin()->second);
  if (client_count_ == 0 || now.instant < next_trim_) return;
  next_trim_ = now.instant + options_.recovery_window / 2 + kSharingInterval;
  for_each_client([&](Client& client) {
    change_own_events(client, [&](OwnEvents& events) { events.trim(now.instant, own_event_limits()); });
  });
}

Instant Worker::next_deadline() const {
  if (policy_change_ || !rechecks_.empty()) return Instant{};
  const Instant trim = client_count_ == 0 || options_.recovery_window == Duration::zero() ? kNever : next_trim_;
  return std::min({trim, access_alarms_.next(), kept_until_.empty() ? kNever : kept_until_.begin()->first});
}

KeptSession* Worker::kept_session_of(socketio::SocketId socket) {
  const auto away = away_sockets_.find(key_of(socket));
  return away == away_sockets_.end() ? nullptr : sessions_.at(away->second).kept.get();
}

void Worker::on_filter_lost_to_kept(const FilterLost& lost) {
  for (auto& [pid, place] : sessions_) {
    if (!place.kept) continue;
    std::vector<Subscription>& subscriptions = place.kept->subscriptions;
    const auto found = std::ranges::find(subscriptions, lost.filter, &Subscription::filter_id);
    if (found == subscriptions.end()) continue;
    const mqtt::TopicFilter filter = found->filter;
    subscriptions.erase(found);
    session_bytes_ -= kSubscriptionBytes + filter.text().size();
    if (users_are_limited()) --users_.at(place.kept->user_id).kept_filters;
    place.kept->lost.emplace_back(filter, lost.error);
    unkeep_filter(filter);
  }
}

// --- asking ---

RequestId Worker::recover(socketio::SocketId socket, socketio::RecoveryRequest wanted,
                          std::shared_ptr<const Identity> identity, std::shared_ptr<const Permissions> permissions) {
  const RequestId request = ++last_request_;
  const std::string& user_id = identity->user_id;
  // The user's own subscriptions deliver here by the time the session comes.
  ++user_here(user_id).recovering;
  commands_.emplace_back(RecoverCommand{options_.index, request, std::move(wanted), user_id});
  recover_asks_.emplace(request, RecoverAsk{socket, std::move(identity), std::move(permissions)});
  return request;
}

// --- giving away ---

void Worker::on_recovery_question(const RecoveryQuestion& question, Now now, socketio::Effects& effects) {
  RecoveryReply reply{options_.index, question.recovery, nullptr, {}, 0};
  const auto found = sessions_.find(question.wanted.pid);
  std::optional<socketio::SocketId> evicted;
  std::shared_ptr<KeptSession> session;
  if (found == sessions_.end()) {
    // It is over, or never was.
  } else if (found->second.kept) {
    if (found->second.kept->user_id == question.user_id)
      session = take_kept(question.wanted.pid);
    else
      reply.still_here = true;
  } else if (Client& client = *find(found->second.socket); client.identity->user_id != question.user_id) {
    reply.still_here = true;
  } else {
    // The old connection is dead, and only its client knows it yet; or it is another's who has stolen the id.
    evicted = client.socket;
    session = take_session(client);
    session->deadline = now.instant + options_.recovery_window;
    sessions_.erase(found);
  }
  if (session) {
    session->socket.reset();
    if (const auto seen = session->own_events.seen(question.wanted.offset)) {
      reply.session = session;
      reply.seen = *seen;
      reply.interests = interests_of(*session, *seen);
    }
  }
  commands_.emplace_back(std::move(reply));
  // After the reply: by then the filters are held by the worker that gets the session.
  if (session) release_filters(*session);
  if (evicted) server_.close_transport(*evicted, socketio::DisconnectReason::forced_close, now, effects);
}

std::vector<MessageInterest> Worker::interests_of(const KeptSession& session, MessageSequence seen) const {
  std::vector<MessageInterest> interests;
  interests.reserve(session.subscriptions.size());
  for (const Subscription& subscription : session.subscriptions)
    interests.push_back({subscription.filter_id, std::max(seen, subscription.joined_at)});
  for (const UserHere::Held& held : users_.at(session.user_id).subscriptions)
    interests.push_back({held.filter, std::max(seen, held.joined_at)});
  return interests;
}

// --- taking over ---

void Worker::on_recovered(Recovered& recovered, Now now, socketio::Effects& effects) {
  auto asked = recover_asks_.extract(recovered.request);
  if (asked.empty()) return;
  RecoverAsk& ask = asked.mapped();
  const std::string user_id = ask.identity->user_id;
  UserHere& user = users_.at(user_id);
  --user.recovering;
  for (const Granted& granted : recovered.granted) last_grant_ = std::max(last_grant_, granted.number);
  last_message_ = std::max(last_message_, recovered.after);
  const bool waits = server_.transport(ask.socket).has_value();
  if (!recovered.session) {
    // A client that waits becomes a new one of the user's in this turn.
    outcomes_.emplace_back(RecoverOutcome{recovered.request, ask.socket,
                                          waits ? RecoverOutcome::Fate::new_session : RecoverOutcome::Fate::gone,
                                          std::move(ask.permissions)});
    if (!waits) forget_user_if_gone(user_id);
    return;
  }
  KeptSession& session = *recovered.session;
  std::erase_if(session.subscriptions, [&](const Subscription& subscription) {
    if (std::ranges::count(recovered.granted, subscription.filter_id, &Granted::filter) > 0) return false;
    session.lost.emplace_back(subscription.filter,
                              Error{ErrorCode::broker_refused, "Failed to subscribe: the broker has taken it back"});
    return true;
  });
  for (UserHere::Held& held : user.subscriptions)
    for (const MessageInterest& interest : recovered.interests)
      if (interest.audience == held.filter) held.joined_at = std::min(held.joined_at, interest.after);
  for (const Subscription& subscription : session.subscriptions)
    keep_filter(subscription.filter, subscription.filter_id);
  ++user.away;
  // Its old connection is gone by now, if it was not before, and has left its seat.
  auto seat = waits ? UserSeat::take(options_.accounts, user_id, now.instant) : std::nullopt;
  if (seat) {
    restore(recovered, ask, *std::move(seat), now, effects);
  } else {
    // Gone again before it was here; or it waits, and may come in no more than a new one of the user's.
    outcomes_.emplace_back(RecoverOutcome{recovered.request, ask.socket,
                                          waits ? RecoverOutcome::Fate::new_session : RecoverOutcome::Fate::gone,
                                          std::move(ask.permissions)});
    const socketio::Sid pid = session.pid;
    store(std::move(recovered.session));
    if (ask.ended)
      end_kept(pid);
    else
      keep_within_limits_of(user_id);
    keep_within_bounds(nullptr, now.instant);
  }
}

/// The session's filters are kept, and its user counts it as away; in the end its client holds them.
void Worker::restore(Recovered& recovered, RecoverAsk& ask, UserSeat seat, Now now, socketio::Effects& effects) {
  KeptSession& session = *recovered.session;
  const socketio::SocketId socket = ask.socket;
  if (socket.slot >= clients_.size()) clients_.resize(socket.slot + std::size_t{1});
  Client& client = clients_[socket.slot];
  client = Client{.socket = socket,
                  .identity = std::move(ask.identity),
                  .permissions = std::move(ask.permissions),
                  .subscriptions = {},
                  .dropped = session.dropped,
                  .sid = session.sid,
                  .pid = session.pid,
                  .own_events = std::move(session.own_events),
                  .seat = std::move(seat)};
  ++client_count_;
  begin_access(client, now);
  session_bytes_ += client.own_events.bytes();
  sessions_[session.pid] = {.socket = socket, .kept = nullptr};
  outcomes_.emplace_back(
      RecoverOutcome{recovered.request, socket, RecoverOutcome::Fate::recovered, client.permissions});
  for (auto& [filter, error] : session.lost) outcomes_.emplace_back(SubscriptionLost{socket, filter, error});
  for (const Subscription& subscription : session.subscriptions) {
    if (!client.permissions->decide_subscribe(subscription.filter))
      outcomes_.emplace_back(SubscriptionRevoked{socket, subscription.filter});
    else if (!client.seat.add_subscription())  // others have taken their places
      outcomes_.emplace_back(SubscriptionLost{socket, subscription.filter, too_many_of_user()});
    else
      client.subscriptions.push_back(subscription);
  }
  add_socket_of_user(client);
  for (const Subscription& subscription : client.subscriptions)
    settle_membership(client, subscription.filter, subscription.filter_id);

  const std::vector<socketio::Frame> missed = missed_frames(client, recovered.missed);
  counters_.messages_out += missed.size();
  server_.accept(socket, now, effects, {.sid = session.sid, .pid = session.pid, .missed = missed});

  std::erase_if(session.replays,
                [&](const Replays::Replay& replay) { return !index_.is_member(replay.filter, socket.slot); });
  replays_.give(socket.slot, std::move(session.replays));
  for (const Delivery& delivery : recovered.missed)
    if (delivery.overtaking != Overtaking::no && !replays_.empty())
      replays_.on_live_message(socket.slot, delivery.matched->topic, delivery.sequence, delivery.overtaking);
  for (const KeptSession::UnansweredRetained& wanted : session.unanswered_retained)
    if (index_.is_member(wanted.filter, socket.slot)) ask_retained(socket, wanted.filter, wanted.joined_at);
  for (const KeptSession::UnansweredSubscribe& wanted : session.unanswered_subscribes) {
    std::optional<Error> refusal;
    if (!client.permissions->decide_subscribe(wanted.filter))
      refusal = Error{ErrorCode::forbidden, fmt::format("Not authorized to subscribe to {}", wanted.filter.text())};
    else if (!client.find(wanted.filter))
      refusal = refuse_subscription(client);
    if (refusal) {
      outcomes_.emplace_back(SubscriptionLost{socket, wanted.filter, *std::move(refusal)});
      continue;
    }
    late_asks_.insert(++last_request_);
    ask_for_filter(last_request_, client, wanted.filter, wanted.qos);
  }
  release_filters(session);
  if (client.dropped > 0) server_.tell_when_drained(socket);
  go_on_with_replay(socket, now.instant);
}

/// Live messages and what was sent to this client alone, in the order in which it would have got them.
std::vector<socketio::Frame> Worker::missed_frames(const Client& client, const std::vector<Delivery>& deliveries) {
  std::vector<socketio::Frame> frames;
  const auto own = client.own_events.missed();
  auto next_own = own.begin();
  const auto add_own = [&](const OwnEvents::Event& event) {
    // A retained message of a filter that it has no right to any more stays away.
    if (event.filter == 0 || index_.is_member(event.filter, client.socket.slot)) frames.push_back(event.frame);
  };
  struct Heard {
    FilterId filter;
    MessageSequence after;
    std::uint8_t qos;
  };
  std::vector<Heard> heard;
  heard.reserve(client.subscriptions.size());
  for (const Subscription& subscription : client.subscriptions)
    heard.push_back({subscription.filter_id, subscription.joined_at, subscription.qos});
  for (const UserHere::Held& held : users_.at(client.identity->user_id).subscriptions)
    if (client.permissions->decide_subscribe(held.subscription->filter))
      heard.push_back({held.filter, held.joined_at, held.subscription->qos});
  for (const Delivery& delivery : deliveries) {
    for (; next_own != own.end() && next_own->after < delivery.sequence; ++next_own) add_own(*next_own);
    std::optional<std::uint8_t> qos;
    for (const Heard& one : heard)
      if (concerns(delivery, one.filter, one.after)) qos = std::max(qos.value_or(0), one.qos);
    if (!qos) continue;
    *qos = std::min(*qos, delivery.qos);
    frames.push_back(*qos == delivery.qos ? delivery.frame : frame_for(delivery, *qos, true));
    for (socketio::Frame& frame : variants_) frame = {};
  }
  for (; next_own != own.end(); ++next_own) add_own(*next_own);
  return frames;
}

}  // namespace famemely::gateway
