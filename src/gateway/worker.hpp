#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/random_source.hpp"
#include "gateway/identity.hpp"
#include "gateway/permissions.hpp"
#include "gateway/ports.hpp"
#include "gateway/replays.hpp"
#include "gateway/subscription_index.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::gateway {

struct WorkerOptions {
  WorkerIndex index = 0;
  std::size_t subscriptions_per_socket_max = 1000;
  /// Of a replay of retained messages, so much is queued for a client at once.
  std::size_t replay_bytes = 65'536;
};

/// A client's own hold on a filter.
struct Subscription {
  std::string id;
  mqtt::TopicFilter filter;
  FilterId filter_id;
  std::uint8_t qos;  // what the broker granted, at most what was asked
  WallTime created_at;
};

/// One socket on the namespace.
struct Client {
  socketio::SocketId socket;
  std::shared_ptr<const Identity> identity;
  std::shared_ptr<const Permissions> permissions;
  std::vector<Subscription> subscriptions;
  std::uint32_t asks = 0;        // subscriptions not answered yet
  std::uint32_t unanswered = 0;  // requests that the client waits for an answer to
  std::uint64_t dropped = 0;     // QoS 0 messages that found its queue full, not yet told

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
using Outcome = std::variant<SubscribeOutcome, UserSubscribeOutcome, UnsubscribeOutcome, PublishOutcome, SurveyOutcome,
                             SubscriptionLost>;

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
  Worker(const WorkerOptions& options, socketio::Server& server, RandomSource& random);

  void add_client(socketio::SocketId socket, std::shared_ptr<const Identity> identity,
                  std::shared_ptr<const Permissions> permissions);
  void remove_client(socketio::SocketId socket);
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
  /// Does that, if the socket is here. False if it is not.
  bool disconnect_here(const DisconnectWanted& wanted, Now now, socketio::Effects& effects);

  void on_link_event(WorkerEvent& event, Now now, socketio::Effects& effects);
  void on_link_full(std::vector<LinkCommand>& commands);
  /// Tells a client what it has missed.
  void on_queue_drained(socketio::SocketId socket);
  /// Queues for one client, or closes it as a slow consumer.
  void emit_or_close(socketio::SocketId socket, const socketio::Frame& frame, Now now, socketio::Effects& effects);

  [[nodiscard]] const LinkStatus& link_status() const { return link_status_; }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] std::vector<LinkCommand>& commands() { return commands_; }
  /// What has been decided since the last look; the caller empties it.
  [[nodiscard]] std::vector<Outcome>& outcomes() { return outcomes_; }
  /// True once nobody waits for an answer of the link.
  [[nodiscard]] bool idle() const { return asks_.empty() && awaited_.empty(); }

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
  };
  /// A user with sockets on this worker.
  struct UserHere {
    struct Held {
      std::shared_ptr<const UserSubscription> subscription;
      FilterId filter;
    };
    std::vector<socketio::SocketId> sockets;
    std::vector<Held> subscriptions;
  };
  struct RetainedAsk {
    socketio::SocketId socket;
    FilterId filter;
    MessageSequence joined_at;
  };

  void deliver(const Delivery& delivery, Now now, socketio::Effects& effects);
  void on_queue_full(ClientSlot slot, std::uint8_t qos);
  const socketio::Frame& frame_at(const Delivery& delivery, std::uint8_t qos);
  void on_subscribe_answer(SubscribeAnswer& answer, Now now);
  void note_grant(const Granted& granted);
  void on_filter_lost(const FilterLost& lost);

  // What a client holds: by itself, and by its user.
  void settle_membership(const Client& client, const mqtt::TopicFilter& filter, FilterId id);
  [[nodiscard]] const UserHere::Held* held_by_user(const Client& client, const mqtt::TopicFilter& filter) const;
  void leave(Client& client, std::size_t subscription);
  void release_unheld(const mqtt::TopicFilter& filter);

  // Users (worker_users.cpp).
  void add_socket_of_user(const Client& client);
  void remove_socket_of_user(const Client& client);
  void on_user_subscribed(const UserSubscribed& subscribed);
  void on_user_unsubscribed(const UserSubscription& subscription);
  void on_user_subscription_refused(const UserSubscriptionRefused& refused);
  /// Ends the user's hold and tells those who had it, if there is something to tell.
  void drop_user_subscription(UserHere& user, std::size_t place, const Error* why);
  void answer_survey(const SurveyQuestion& question);

  // What administrators see and do (worker_sockets.cpp).
  void list_sockets(Survey& part);
  [[nodiscard]] std::vector<std::string> filters_of(const Client& client) const;

  // Retained messages.
  void ask_retained(socketio::SocketId socket, FilterId filter);
  void on_retained(const RetainedMessages& retained);
  void go_on_with_replay(socketio::SocketId socket);

  WorkerOptions options_;
  socketio::Server& server_;
  RandomSource& random_;
  std::vector<Client> clients_;  // by the socket's slot; without identity: nobody
  std::size_t client_count_ = 0;
  SubscriptionIndex index_;
  std::unordered_map<std::string, HeldFilter> held_;  // by the filter's text
  std::unordered_map<std::string, UserHere> users_;
  Replays replays_;
  std::unordered_map<RequestId, Ask> asks_;
  std::unordered_map<RequestId, RetainedAsk> retained_asks_;
  std::unordered_set<RequestId> awaited_;  // publishes, and what is asked of the link for users
  RequestId last_request_ = 0;
  GrantNumber last_grant_ = 0;
  MessageSequence last_message_ = 0;  // given to this worker, or past when it was granted something
  LinkStatus link_status_;
  WorkerCounters counters_;
  std::vector<LinkCommand> commands_;
  std::vector<Outcome> outcomes_;
  socketio::Frame variants_[3];  // scratch of `deliver`: the frame at lower qualities of service
  std::vector<socketio::SocketId> slow_;
};

}  // namespace famemely::gateway
