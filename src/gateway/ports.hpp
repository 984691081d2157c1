#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "gateway/subscription_index.hpp"
#include "protocol/mqtt/properties.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"
#include "protocol/socketio/effects.hpp"
#include "protocol/socketio/encoder.hpp"
#include "protocol/socketio/event_log.hpp"
#include "protocol/socketio/traffic.hpp"

/// What crosses between the workers and the link. Everything here is moved or immutable.
namespace famemely::gateway {

class PermissionPolicy;

/// A request of one worker to the link, counted up by that worker.
using RequestId = std::uint64_t;
using WorkerIndex = std::uint8_t;
/// Workers are told apart by one bit each; one bit is the link's own.
inline constexpr std::size_t kWorkersMax = 63;
/// Stands for the link where it asks something of itself.
inline constexpr WorkerIndex kLink = 63;
/// Messages from the broker, counted up from 1 in the order in which the link hands them out.
using MessageSequence = std::uint64_t;
/// Grants of filters to one worker, counted up by the link.
using GrantNumber = std::uint64_t;

/// What somebody wants published.
struct OutgoingMessage {
  mqtt::TopicName topic;
  std::string payload;
  std::uint8_t qos = 0;
  bool retain = false;
  mqtt::PublishProperties properties{};
  /// True if the client itself set properties: a broker of version 3.1.1 then can't take the message.
  bool properties_asked = false;
};

/// A subscription of a user, made by REST: it delivers to every socket of the user, present and future.
struct UserSubscription {
  std::string id;
  std::string user_id;
  mqtt::TopicFilter filter;
  std::uint8_t qos;  // what the broker granted, at most what was asked
  WallTime created_at;
};

/// As the lists of subscriptions show it.
struct ListedSubscription {
  enum class Source : std::uint8_t { rest, socket };

  std::string id;
  std::string topic;
  std::uint8_t qos;
  std::string user_id;
  WallTime created_at;
  Source source;
  bool is_active = true;  // false: its socket is away, and may come back
};

/// A socket as administrators see it.
struct ListedSocket {
  std::string sid;
  std::string user_id;
  std::vector<std::string> roles;
  std::vector<std::string> filters;  // that deliver to it, as many as kListedFiltersMax
  socketio::Transport transport;
  std::string remote_address;
  std::string origin;
  WallTime joined_at;
};
/// Bounds of a list of sockets: of one worker's, and of what the link puts together.
inline constexpr std::size_t kListedSocketsMax = 1000;
inline constexpr std::size_t kListedFiltersMax = 16;
/// Longer filters are left out.
inline constexpr std::size_t kListedFilterBytesMax = 256;

/// What a survey is to find.
struct SurveyScope {
  bool subscriptions = false;            // else only their number
  std::optional<std::string> user_id{};  // nothing: of everybody
  bool sockets = false;                  // and who is connected by what
};

/// What is true of one part of the gateway, or of all.
struct Survey {
  std::vector<ListedSubscription> subscriptions{};
  std::uint64_t subscription_count = 0;         // within the scope
  std::uint64_t active_subscription_count = 0;  // without those of sockets that are away
  std::uint64_t connected_clients = 0;
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t messages_dropped = 0;
  std::uint64_t publishes = 0;
  // With `sockets` in the scope:
  std::vector<ListedSocket> sockets{};
  std::uint64_t administrators = 0;  // sockets of the Admin UI
  std::uint64_t connections = 0;     // of Engine.IO
  std::uint64_t polling_connections = 0;
  socketio::Traffic traffic{};

  void add(Survey other);
};

// --- from a worker to the link ---

/// Hold this filter upstream, at this quality of service at least. Answered by a SubscribeAnswer.
struct SubscribeCommand {
  WorkerIndex worker;
  RequestId request;
  mqtt::TopicFilter filter;
  std::uint8_t qos;
};
/// No client of this worker holds the filter any more. It does not count if another grant of this filter is on its way
/// to the worker: that one makes the worker decide anew.
struct ReleaseCommand {
  WorkerIndex worker;
  FilterId filter;
  GrantNumber seen;  // the last grant of any filter that has come to the worker
};
/// Answered by a PublishAnswer.
struct PublishCommand {
  WorkerIndex worker;
  RequestId request;
  OutgoingMessage message;
};
/// The retained messages that match a filter which a socket of this worker has just got. Answered by RetainedMessages.
struct RetainedCommand {
  WorkerIndex worker;
  RequestId request;
  FilterId filter;
  /// The last message that the worker had been given when the socket joined.
  MessageSequence joined_at;
};
/// Topics of which the client has had a live message before their turn in a replay came, and which has perhaps not been
/// the retained one: they are fetched once more, by name. Answered by RetainedMessages.
struct RetainedAgainCommand {
  WorkerIndex worker;
  RequestId request;
  MessageSequence joined_at;
  std::map<std::string, MessageSequence> overtaken;  // topics, and the live message
};
/// A subscription of a user, which delivers to all of the user's sockets. Answered by a UserSubscribeAnswer.
struct UserSubscribeCommand {
  WorkerIndex worker;
  RequestId request;
  std::string user_id;
  mqtt::TopicFilter filter;
  std::uint8_t qos;
};
/// Answered by a UserUnsubscribeAnswer.
struct UserUnsubscribeCommand {
  WorkerIndex worker;
  RequestId request;
  std::string user_id;
  mqtt::TopicFilter filter;
};
/// The user's first socket on this worker is here, or the last one gone.
struct UserPresenceCommand {
  WorkerIndex worker;
  std::string user_id;
  bool present;
};
/// What do all workers hold? Answered by a SurveyAnswer.
struct SurveyCommand {
  WorkerIndex worker;
  RequestId request;
  SurveyScope scope;
};
/// Whichever worker has the socket of that sid is to disconnect it. Not answered.
struct DisconnectCommand {
  WorkerIndex worker;
  std::string sid;
  bool close_connection;  // else the namespace only
  std::string by;         // the administrator, for the log
};
/// Whose sockets are meant: one of the two is set, the other empty.
struct Whose {
  std::string user_id{};
  std::string session_id{};  // the claim of a token: one sign-in of a user

  [[nodiscard]] bool is(std::string_view user, std::string_view session) const {
    return user_id.empty() ? session == session_id : user == user_id;
  }
};
/// All workers are to disconnect these sockets, and to keep no session of theirs. Answered by SessionsEnded.
struct EndSessionsCommand {
  WorkerIndex worker;
  RequestId request;
  Whose whose;
};
struct EndSessionsReply {
  WorkerIndex worker;
  std::uint64_t ending;
  std::size_t sockets;
};
struct SurveyReply {
  WorkerIndex worker;
  std::uint64_t survey;
  Survey part;
};
struct KeptSession;
struct Delivery;
using MessageInterest = socketio::EventLog<Delivery>::Interest;
/// A client that has come to this worker wants the session back that it had. Answered by Recovered.
struct RecoverCommand {
  WorkerIndex worker;
  RequestId request;
  socketio::RecoveryRequest wanted;
  std::string user_id;
};
/// Answers a RecoveryQuestion. The session has left the worker.
struct RecoveryReply {
  WorkerIndex worker;
  std::uint64_t recovery;
  std::shared_ptr<KeptSession> session;    // nothing: there is none that could be given
  std::vector<MessageInterest> interests;  // the filters that it holds, and what it has heard of each
  MessageSequence seen = 0;                // the last message that the client saw
  bool still_here = false;                 // it is another user's, and stays
};
/// A session that has moved is over.
struct SessionOverCommand {
  socketio::Sid pid;
};
using LinkCommand = std::variant<SubscribeCommand, ReleaseCommand, PublishCommand, RetainedCommand,
                                 RetainedAgainCommand, UserSubscribeCommand, UserUnsubscribeCommand,
                                 UserPresenceCommand, SurveyCommand, SurveyReply, RecoverCommand, RecoveryReply,
                                 SessionOverCommand, DisconnectCommand, EndSessionsCommand, EndSessionsReply>;

// --- from the link to a worker ---

/// A topic and all filters that match it: shared by every message on it.
struct MatchedTopic {
  std::string topic;
  std::vector<FilterId> filters;
};
using MatchList = std::shared_ptr<const MatchedTopic>;

/// Whether who gets a message must not get an older retained one of its topic any more.
enum class Overtaking : std::uint8_t {
  no,
  perhaps,  // a broker of version 3.1.1 does not say whether it retains the message
  yes,
};

/// A message for whoever holds one of the filters.
struct Delivery {
  socketio::Frame frame;  // encoded for a receiver at `qos`
  MatchList matched;
  MessageSequence sequence;
  std::uint32_t qos_place;  // where in the frame's bytes the digit of `qos` stands
  std::uint8_t qos;
  Overtaking overtaking;
};
struct Granted {
  FilterId filter;
  std::uint8_t qos;
  GrantNumber number;
  MessageSequence after = 0;  // the last message that the link had handed out, to whomever
};
/// A retained message, encoded for everybody who is to get it.
struct RetainedMessage {
  std::string topic;
  socketio::Frame frame;
  std::string offset{};  // the one in the frame, if there is one
  /// The last message of the topic that makes this one old to whoever was given it; 0 if there is none.
  MessageSequence overtaken_at = 0;
};
/// What one fetch of retained messages has brought.
struct RetainedList {
  std::vector<RetainedMessage> messages;
  /// The topics were fetched once more, by name, for those to whom the first fetch had brought something old: it is
  /// they who get these, and nobody else.
  bool second_time = false;

  /// True for a socket that had joined then.
  [[nodiscard]] bool is_for(const RetainedMessage& message, MessageSequence joined_at) const {
    return (message.overtaken_at > joined_at) == second_time;
  }
};
/// What was fetched for the requests. It stands in the queue where every older message has been before it.
struct RetainedMessages {
  std::vector<RequestId> requests;
  std::shared_ptr<const RetainedList> list;
  bool more;  // another list for the same requests follows
};
struct SubscribeAnswer {
  RequestId request;
  Result<Granted, Error> outcome;
};
struct PublishAnswer {
  RequestId request;
  std::optional<Error> error;  // nothing: the broker has taken it
};
/// The broker has refused, later, what it had granted: whoever holds the filter loses it.
struct FilterLost {
  FilterId filter;
  Error error;
};
/// The connection to the broker, as `mqtt:status` and `GET /mqtt/status` tell it.
struct LinkStatus {
  bool is_connected = false;
  std::string client_id;
  std::optional<WallTime> connected_at{};
  std::uint32_t reconnect_attempts = 0;
  std::string last_error{};

  bool operator==(const LinkStatus&) const = default;
};
struct UserSubscribeAnswer {
  RequestId request;
  Result<std::shared_ptr<const UserSubscription>, Error> outcome;
};
struct UserUnsubscribeAnswer {
  RequestId request;
  std::optional<Error> error;
};
/// The user's sockets on this worker hold this from now on.
struct UserSubscribed {
  std::shared_ptr<const UserSubscription> subscription;
  Granted granted;
};
struct UserUnsubscribed {
  std::shared_ptr<const UserSubscription> subscription;
};
/// The broker does not grant what the user had subscribed earlier.
struct UserSubscriptionRefused {
  std::shared_ptr<const UserSubscription> subscription;
  Error error;
};
/// Answered by a SurveyReply.
struct SurveyQuestion {
  std::uint64_t survey;
  std::shared_ptr<const SurveyScope> scope;
};
/// A DisconnectCommand, as every worker gets it.
struct DisconnectWanted {
  std::string sid;
  bool close_connection;
  std::string by;
};
/// Answered by an EndSessionsReply.
struct EndSessions {
  std::uint64_t ending;
  std::shared_ptr<const Whose> whose;
};
struct SessionsEnded {
  RequestId request;
  std::size_t sockets;
};
struct SurveyAnswer {
  RequestId request;
  std::shared_ptr<const Survey> survey;
};
/// Is the session here that the client wants back? Answered by a RecoveryReply.
struct RecoveryQuestion {
  std::uint64_t recovery;
  socketio::RecoveryRequest wanted;
  std::string user_id;
};
/// The session that a client has asked for. The worker holds its filters from here on: what is in `missed` came before,
/// and every later message comes after.
struct Recovered {
  RequestId request;
  std::shared_ptr<KeptSession> session{};  // nothing: it gets a new one
  std::vector<Delivery> missed{};
  std::vector<MessageInterest> interests{};
  std::vector<Granted> granted{};
  MessageSequence after = 0;  // the last message that the link had handed out, to whomever
};

// --- from the app to every worker ---

/// The rules are these from now on, also for what is held already.
struct PolicyChanged {
  std::shared_ptr<const PermissionPolicy> policy;
};
/// Some keys may not be in force any more.
struct KeysChanged {};

using WorkerEvent = std::variant<Delivery, SubscribeAnswer, PublishAnswer, FilterLost, LinkStatus, RetainedMessages,
                                 UserSubscribeAnswer, UserUnsubscribeAnswer, UserSubscribed, UserUnsubscribed,
                                 UserSubscriptionRefused, SurveyQuestion, SurveyAnswer, RecoveryQuestion, Recovered,
                                 DisconnectWanted, EndSessions, SessionsEnded, PolicyChanged, KeysChanged>;

/// About the bytes that an item holds: what bounds the queues between threads.
[[nodiscard]] std::size_t weight(const LinkCommand& command);
[[nodiscard]] std::size_t weight(const WorkerEvent& event);

}  // namespace famemely::gateway
