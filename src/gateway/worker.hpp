#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "base/random_source.hpp"
#include "gateway/identity.hpp"
#include "gateway/kept_session.hpp"
#include "gateway/permissions.hpp"
#include "gateway/ports.hpp"
#include "gateway/replays.hpp"
#include "gateway/slot_alarms.hpp"
#include "gateway/subscription_index.hpp"
#include "gateway/user_account.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::gateway {

struct WorkerOptions {
  WorkerIndex index = 0;
  std::size_t subscriptions_per_socket_max = 1000;
  /// Of a replay of retained messages, so much is queued for a client at once.
  std::size_t replay_bytes = 65'536;
  /// How long the session of a socket whose connection drops is kept; zero: not at all.
  Duration recovery_window{};
  /// What is kept for one client, of what was sent to it alone.
  std::size_t recovery_bytes = 0;
  /// The same, and what else belongs to sessions, for all of this worker's.
  std::size_t recovery_bytes_total = 0;
  /// For the end of a token, as when it is verified.
  Duration token_leeway{};
  /// What the users have; none: as much as they like.
  UserAccounts* accounts = nullptr;
  LimitCounters* limit_counters = nullptr;  // of the process
  /// Whether the key that vouches for somebody is still in force; nothing: all are.
  std::function<bool(const Identity&)> still_accepts{};
};

/// What of a client is yet to be compared with its permissions, since these are others: so many from the beginning of
/// its own subscriptions, and of its user's.
struct Recheck {
  std::size_t own = 0;
  std::size_t of_user = 0;
  bool once_more = false;  // they have changed again meanwhile

  [[nodiscard]] bool is_due() const { return own != 0 || of_user != 0 || once_more; }
};

/// One socket on the namespace.
struct Client {
  socketio::SocketId socket;
  std::shared_ptr<const Identity> identity;
  std::shared_ptr<const Permissions> permissions;
  std::vector<Subscription> subscriptions;
  std::uint32_t asks = 0;              // subscriptions not answered yet
  std::uint32_t unanswered = 0;        // requests that the client waits for an answer to
  std::uint64_t dropped = 0;           // QoS 0 messages that found its queue full, not yet told
  std::optional<socketio::Sid> sid{};  // what the client knows itself by
  std::optional<socketio::Sid> pid{};  // by which its session is asked for again; nothing: it can't be
  OwnEvents own_events{};
  std::optional<WallTime> withdrawn_at{};  // when the grace ends for a token whose key is not in force any more
  std::optional<WallTime> told_end{};      // that it has been told of, if that is its end still
  Recheck recheck{};
  bool leaving = false;  // of a gateway that ends: its further requests are not looked at
  UserSeat seat{};

  [[nodiscard]] const Subscription* find(const mqtt::TopicFilter& filter) const;
};

struct SubscribeOutcome {
  RequestId request;
  Result<Subscription, Error> result;
};
struct UserSubscribeOutcome {
  RequestId request;
  Result<std::shared_ptr<const UserSubscription>, Error> result;
};
/// Of a socket's subscription or a user's.
struct UnsubscribeOutcome {
  RequestId request;
  std::optional<Error> error;
};
struct SurveyOutcome {
  RequestId request;
  std::shared_ptr<const Survey> survey;
};
struct SessionsEndedOutcome {
  RequestId request;
  std::size_t sockets;  // that were disconnected
};
struct PublishOutcome {
  RequestId request;
  std::optional<Error> error;
};
/// A subscription that delivers to this socket no more.
struct SubscriptionLost {
  socketio::SocketId socket;
  mqtt::TopicFilter filter;
  Error error;
};
/// The socket has no right (any more) to what it had subscribed to.
struct SubscriptionRevoked {
  socketio::SocketId socket;
  mqtt::TopicFilter filter;
};
/// What became of a client that wanted its session back.
struct RecoverOutcome {
  enum class Fate : std::uint8_t {
    recovered,    // and accepted
    new_session,  // to be accepted as a new one
    gone,         // it has left meanwhile
  };

  RequestId request;
  socketio::SocketId socket;
  Fate fate;
  std::shared_ptr<const Permissions> permissions;  // the rules may have changed since it asked
};
/// A subscribe that had no answer when the connection dropped has succeeded after the recovery.
struct LateSubscribeOutcome {
  socketio::SocketId socket;
  Subscription subscription;
};
using Outcome =
    std::variant<SubscribeOutcome, UserSubscribeOutcome, UnsubscribeOutcome, PublishOutcome, SurveyOutcome,
                 SessionsEndedOutcome, SubscriptionLost, SubscriptionRevoked, RecoverOutcome, LateSubscribeOutcome>;

/// The request that the outcome answers; 0 if it answers none.
[[nodiscard]] RequestId request_of(const Outcome& outcome);

struct WorkerCounters {
  std::uint64_t messages_out = 0;      // deliveries queued for sockets
  std::uint64_t messages_dropped = 0;  // QoS 0 deliveries that found a full queue
  std::uint64_t slow_consumers = 0;    // sockets closed for a full queue
  std::uint64_t publishes = 0;         // asked for by clients
};

/// One worker's state between the Socket.IO server and the link: its clients, who holds which filter, and what has been
/// asked of the link. Requests are answered by outcomes, which the caller takes after each call.
class Worker {
 public:
  Worker(WorkerOptions options, socketio::Server& server, RandomSource& random);

  /// A private id for a client that may recover; nothing if nobody may.
  [[nodiscard]] std::optional<socketio::Sid> make_pid();
  void add_client(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
                  std::shared_ptr<const Permissions> permissions, Now now,
                  const std::optional<socketio::Sid>& pid = {});
  /// The new client counts in its user's account from here on; a recovered one does by itself.
  void give_seat(socketio::SocketId socket, UserSeat seat);
  /// A client that has signed in does not become one.
  void turn_away(const std::string& user_id) { forget_user_if_gone(user_id); }
  void remove_client(socketio::SocketId socket);
  /// Its connection has dropped: the session is kept for a while, if the client can recover.
  void keep_session(socketio::SocketId socket, Now now);
  /// A socket that is not accepted yet wants its session back. Answered by a RecoverOutcome.
  RequestId recover(socketio::SocketId socket, socketio::RecoveryRequest wanted,
                    std::shared_ptr<const Identity> identity, std::shared_ptr<const Permissions> permissions);
  [[nodiscard]] Client* find(socketio::SocketId socket);
  [[nodiscard]] std::size_t client_count() const { return client_count_; }
  template <typename Visit>
  void for_each_client(Visit&& visit) {
    for (Client& client : clients_)
      if (client.identity) visit(client);
  }

  /// Answered by a PublishOutcome.
  RequestId publish(OutgoingMessage message);
  /// A socket's own subscription. Answered by a SubscribeOutcome.
  RequestId subscribe(socketio::SocketId socket, const mqtt::TopicFilter& filter, std::uint8_t qos);
  /// Answered by an UnsubscribeOutcome: 404 if the socket itself holds no such filter.
  RequestId unsubscribe(socketio::SocketId socket, const mqtt::TopicFilter& filter);
  /// A subscription of the user, for all of the user's sockets, on whatever worker. Answered by a UserSubscribeOutcome.
  RequestId subscribe_user(const std::string& user_id, const mqtt::TopicFilter& filter, std::uint8_t qos);
  /// Answered by an UnsubscribeOutcome: 404 if the user has no such subscription.
  RequestId unsubscribe_user(const std::string& user_id, const mqtt::TopicFilter& filter);
  /// What the whole gateway holds. Answered by a SurveyOutcome.
  RequestId survey(SurveyScope scope);
  /// The user's subscriptions that deliver to this client, its own ones not among them.
  [[nodiscard]] std::vector<std::shared_ptr<const UserSubscription>> user_subscriptions(const Client& client) const;
  /// Disconnects the socket of that sid, wherever it is. It gets a DISCONNECT packet, so official clients stay away
  /// until they are told to connect.
  void disconnect_anywhere(std::string sid, bool close_connection, std::string by);
  /// Disconnects these sockets so, wherever they are, and ends the sessions that are kept of them. Answered by a
  /// SessionsEndedOutcome.
  RequestId end_sessions(Whose whose);
  /// Does that, if the socket is here. False if it is not.
  bool disconnect_here(const DisconnectWanted& wanted, Now now, socketio::Effects& effects);

  /// The client has brought another token of the same user. What it covers no more is told by SubscriptionRevoked.
  void renew(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
             std::shared_ptr<const Permissions> permissions, Now now);

  void on_link_event(WorkerEvent& event, Now now, socketio::Effects& effects);
  void on_link_full(std::vector<LinkCommand>& commands);
  /// Tells a client what it has missed.
  void on_queue_drained(socketio::SocketId socket, Now now, socketio::Effects& effects);
  /// Queues an event for one client, or closes it as a slow consumer; for one that is away, it is kept.
  void emit_or_close(socketio::SocketId socket, std::string_view event, std::string args_json, Now now,
                     socketio::Effects& effects);
  void on_timer(Now now, socketio::Effects& effects);
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] const LinkStatus& link_status() const { return link_status_; }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] std::vector<LinkCommand>& commands() { return commands_; }
  /// What has been decided since the last look; the caller empties it.
  [[nodiscard]] std::vector<Outcome>& outcomes() { return outcomes_; }
  /// True once nobody waits for an answer of the link.
  [[nodiscard]] bool idle() const { return asks_.empty() && awaited_.empty() && recover_asks_.empty(); }

 private:
  struct Ask {
    socketio::SocketId socket;
    mqtt::TopicFilter filter;
    std::uint8_t qos;
    std::vector<RequestId> then_unsubscribe;  // asked while this was on its way
  };
  /// A filter that clients of this worker hold or ask for.
  struct HeldFilter {
    FilterId id = 0;  // 0: not known yet
    std::uint32_t asks = 0;
    std::uint32_t keepers = 0;  // sessions that are away, and users who are here
  };
  /// A user with sockets on this worker, or sessions that may come back, or sockets that ask for theirs.
  struct UserHere {
    struct Held {
      std::shared_ptr<const UserSubscription> subscription;
      FilterId filter;
      MessageSequence joined_at;
    };
    std::vector<socketio::SocketId> sockets;
    std::vector<Held> subscriptions;
    std::uint32_t away = 0;
    std::uint32_t recovering = 0;
    // Noted only where there are limits of users: sessions, the oldest first, and the filters in all of them.
    std::vector<socketio::Sid> kept{};
    std::size_t kept_filters = 0;
  };
  /// Where a session is: with a socket, or kept.
  struct SessionPlace {
    socketio::SocketId socket;
    std::shared_ptr<KeptSession> kept;
  };
  struct RecoverAsk {
    socketio::SocketId socket;
    std::shared_ptr<const Identity> identity;
    std::shared_ptr<const Permissions> permissions;
    bool ended = false;  // by an administrator
  };
  /// New rules that not all clients have yet.
  struct PolicyChange {
    std::shared_ptr<const PermissionPolicy> policy;
    std::size_t next_slot = 0;
    /// Sockets of one token share them, as they share the identity.
    std::unordered_map<std::shared_ptr<const Identity>, std::shared_ptr<const Permissions>> made{};

    [[nodiscard]] std::shared_ptr<const Permissions> permissions_of(const std::shared_ptr<const Identity>& identity);
  };
  struct RetainedAsk {
    socketio::SocketId socket;
    FilterId filter;
    MessageSequence joined_at;
  };

  void forget(Client& client);

  // How long a client may stay, and what it may hear (worker_access.cpp).
  void begin_access(Client& client, Now now);
  void watch_access(const Client& client, Now now);
  void on_access_alarm(Client& client, Now now, socketio::Effects& effects);
  [[nodiscard]] std::optional<WallTime> closes_at(const Client& client) const;
  void use_policy(const std::shared_ptr<const PermissionPolicy>& policy);
  /// The client's permissions are others. What it hears is compared with them as time goes on, so that nobody waits
  /// long for it, whoever brings it about and however often.
  void begin_recheck(Client& client);
  void go_on_with_policy();
  void go_on_with_rechecks();
  /// One subscription of it.
  void recheck(Client& client, std::size_t own);
  void recheck(Client& client, const UserHere::Held& held);
  /// The keys are others: sockets whose key is not in force any more stay for a grace, those whose key is back as long
  /// as their token.
  void check_keys(Now now);
  void emit_momentary(const Client& client, std::string_view event, std::string args_json);

  void deliver(const Delivery& delivery, Now now, socketio::Effects& effects);
  void on_queue_full(ClientSlot slot, std::uint8_t qos);
  /// The frame for a receiver at this quality of service, with or without the offset.
  const socketio::Frame& frame_for(const Delivery& delivery, std::uint8_t qos, bool offset);
  void emit_own(Client& client, std::string_view event, std::string args_json, Now now, socketio::Effects& effects);
  void note_own_event(Client& client, OwnEvents::Event event);
  [[nodiscard]] OwnEvents::Limits own_event_limits() const {
    return {options_.recovery_window, options_.recovery_bytes};
  }
  [[nodiscard]] std::string next_own_offset();
  void on_subscribe_answer(SubscribeAnswer& answer, Now now);
  void note_grant(const Granted& granted);
  void on_filter_lost(const FilterLost& lost);

  // What a client holds: by itself, and by its user.
  void settle_membership(const Client& client, const mqtt::TopicFilter& filter, FilterId id);
  [[nodiscard]] const UserHere::Held* held_by_user(const Client& client, const mqtt::TopicFilter& filter) const;
  void leave(Client& client, std::size_t subscription);
  /// The refusal of one subscription more, if there is a reason.
  [[nodiscard]] std::optional<Error> refuse_subscription(Client& client);
  [[nodiscard]] Error too_many_of_user() const;
  void ask_for_filter(RequestId request, Client& client, const mqtt::TopicFilter& filter, std::uint8_t qos);
  void release_unheld(const mqtt::TopicFilter& filter);

  // Users (worker_users.cpp).
  UserHere& user_here(const std::string& user_id);
  void add_socket_of_user(const Client& client);
  void remove_socket_of_user(const Client& client);
  void forget_user_if_gone(const std::string& user_id);
  void keep_filter(const mqtt::TopicFilter& filter, FilterId id);
  void unkeep_filter(const mqtt::TopicFilter& filter);
  void on_user_subscribed(const UserSubscribed& subscribed);
  void on_user_unsubscribed(const UserSubscription& subscription);
  void on_user_subscription_refused(const UserSubscriptionRefused& refused);
  /// Ends the user's hold and tells those who had it, if there is something to tell.
  void drop_user_subscription(UserHere& user, std::size_t place, const Error* why);
  void answer_survey(const SurveyQuestion& question);

  // Sessions that are kept (worker_recovery.cpp).
  void on_recovery_question(const RecoveryQuestion& question, Now now, socketio::Effects& effects);
  void on_recovered(Recovered& recovered, Now now, socketio::Effects& effects);
  void restore(Recovered& recovered, RecoverAsk& ask, UserSeat seat, Now now, socketio::Effects& effects);
  void store(std::shared_ptr<KeptSession> session);
  [[nodiscard]] std::shared_ptr<KeptSession> take_session(Client& client);
  [[nodiscard]] std::shared_ptr<KeptSession> take_kept(const socketio::Sid& pid);
  void end_kept(socketio::Sid pid);
  void end_session(const socketio::Sid& pid);
  void release_filters(const KeptSession& session);
  [[nodiscard]] std::vector<MessageInterest> interests_of(const KeptSession& session, MessageSequence seen) const;
  [[nodiscard]] std::vector<socketio::Frame> missed_frames(const Client& client,
                                                           const std::vector<Delivery>& deliveries);
  void on_filter_lost_to_kept(const FilterLost& lost);
  [[nodiscard]] KeptSession* kept_session_of(socketio::SocketId socket);
  [[nodiscard]] bool users_are_limited() const;
  void keep_within_limits_of(const std::string& user_id);
  void keep_within_bounds(Client* adding, Instant now);
  template <typename Change>
  void change_own_events(Client& client, Change&& change) {
    session_bytes_ -= client.own_events.bytes();
    change(client.own_events);
    session_bytes_ += client.own_events.bytes();
  }

  // What administrators see and do (worker_sockets.cpp).
  void list_sockets(Survey& part);
  void disconnect(socketio::SocketId socket, bool close_connection, Now now, socketio::Effects& effects);
  void on_end_sessions(const EndSessions& wanted, Now now, socketio::Effects& effects);
  [[nodiscard]] std::vector<std::string> filters_of(const Client& client) const;

  // Retained messages.
  void ask_retained(socketio::SocketId socket, FilterId filter, MessageSequence joined_at);
  void on_retained(const RetainedMessages& retained, Instant now);
  void go_on_with_replay(socketio::SocketId socket, Instant now);

  WorkerOptions options_;
  socketio::Server& server_;
  RandomSource& random_;
  std::vector<Client> clients_;  // by the socket's slot; without identity: nobody
  std::size_t client_count_ = 0;
  SlotAlarms access_alarms_;
  std::optional<PolicyChange> policy_change_;
  std::deque<socketio::SocketId> rechecks_;  // whose recheck is due, in turns
  SubscriptionIndex index_;
  std::unordered_map<std::string, HeldFilter> held_;  // by the filter's text
  std::unordered_map<std::string, UserHere> users_;
  Replays replays_;
  std::unordered_map<RequestId, Ask> asks_;
  std::unordered_map<RequestId, RetainedAsk> retained_asks_;
  std::unordered_map<RequestId, RecoverAsk> recover_asks_;
  std::unordered_set<RequestId> late_asks_;                            // subscribes asked again for recovered sockets
  std::unordered_map<socketio::Sid, SessionPlace, SidHash> sessions_;  // by pid
  std::multimap<Instant, socketio::Sid> kept_until_;
  std::unordered_map<std::uint64_t, socketio::Sid> away_sockets_;  // sockets that are gone, and their sessions
  std::size_t session_bytes_ = 0;                                  // of own events and kept sessions
  Instant next_trim_{};                                            // of live clients' own events
  Instant next_sharing_{};                                         // of the bound among them
  std::uint64_t own_offsets_ = 0;
  std::unordered_set<RequestId> awaited_;  // publishes, and what is asked of the link for users
  RequestId last_request_ = 0;
  GrantNumber last_grant_ = 0;
  MessageSequence last_message_ = 0;  // given to this worker, or past when it was granted something
  LinkStatus link_status_;
  WorkerCounters counters_;
  std::vector<LinkCommand> commands_;
  std::vector<Outcome> outcomes_;
  socketio::Frame variants_[6];  // scratch of `deliver`: the frame by quality of service, with and without offset
  std::vector<socketio::SocketId> slow_;
};

}  // namespace famemely::gateway
