#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/instant.hpp"
#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "gateway/fence_rounds.hpp"
#include "gateway/kept_session.hpp"
#include "gateway/lane.hpp"
#include "gateway/message_event.hpp"
#include "gateway/ports.hpp"
#include "gateway/retained_fetcher.hpp"
#include "gateway/upstream_filters.hpp"
#include "gateway/user_subscriptions.hpp"
#include "protocol/mqtt/session.hpp"

namespace famemely::gateway {

struct BridgeOptions {
  mqtt::SessionOptions session;
  std::chrono::milliseconds reconnect_min{1'000};
  std::chrono::milliseconds reconnect_max{30'000};
  /// Filters in one SUBSCRIBE at most; with subscription identifiers it is always one.
  std::size_t subscribe_batch = 100;
  /// A larger payload from the broker is dropped and counted.
  std::size_t payload_bytes_max = 1'000'000;
  std::size_t workers = 1;
  /// A topic name, but for `$share/…`. Empty: `$famemely/<client id>/fence`.
  std::string fence_topic{};
  /// How long messages are kept for clients that come back; zero: not at all, and events carry no offsets.
  Duration recovery_window{};
  /// What one client may have missed.
  std::size_t recovery_bytes = 0;
  /// All messages that are kept.
  std::size_t recovery_bytes_total = 0;
  /// The form in which the workers get messages: `mqtt:message`, or for a program that is no gateway another one.
  MessageEncoder encode_message = make_message_event;
  /// Where users' subscriptions are counted; none: they are not.
  UserAccounts* accounts = nullptr;
  LimitCounters* limit_counters = nullptr;
};

struct BridgeCounters {
  std::uint64_t messages_in = 0;       // copies of the leaders: each message once
  std::uint64_t copies_dropped = 0;    // further copies of those, and stale ones
  std::uint64_t messages_dropped = 0;  // QoS 0 for a worker that is behind, and payloads over the limit
};

/// The bridge between the MQTT sessions and the workers, without I/O: who holds what upstream, which message goes to
/// whom and in which form, who waits for which answer.
///
/// The caller (the link) opens and closes a transport for each of the `channels` as their wishes say, writes their
/// outputs, and hands `events_for` to each worker; after any call to any of them it calls `settle` and looks at all.
class Bridge final {
 public:
  /// A publish that the broker has not acknowledged by then is answered 504; the session still completes it.
  static constexpr std::chrono::seconds kPublishTimeout{30};
  /// Bytes for the broker that are not written yet; past it publishes are refused as overload.
  static constexpr std::size_t kOutputBytesMax = 16'000'000;
  /// Bytes waiting for one worker; past it QoS 0 messages for it are dropped.
  static constexpr std::size_t kBacklogBytesMax = 32'000'000;
  /// SUBSCRIBE and UNSUBSCRIBE packets that wait for their answer on one lane: what comes after them waits here, so
  /// that a hundred thousand filters leave room for messages.
  static constexpr std::size_t kRequestsInFlightMax = 1'000;

  Bridge(const BridgeOptions& options, RandomSource& random, Logger& logger);

  /// The first connection may be opened.
  void start(Now now);
  void on_commands(std::vector<LinkCommand>& commands, Now now);

  /// The first lane's and the retained fetcher's first; others may be added by any call, and stay.
  [[nodiscard]] const std::vector<BrokerChannel*>& channels() const { return channels_; }
  void settle(Now now) { absorb(now); }
  void on_timer(Now now);
  [[nodiscard]] Instant next_deadline() const;
  /// Says DISCONNECT; nothing is opened any more.
  void disconnect(Now now);

  [[nodiscard]] std::vector<WorkerEvent>& events_for(std::size_t worker) { return workers_[worker].events; }
  /// The worker has what `events_for` held: what it brought may be acknowledged.
  void on_handed_over(std::size_t worker, Now now);

  [[nodiscard]] const BridgeCounters& counters() const { return counters_; }

  /// After an UNSUBSCRIBE copies may still come for so long without anybody's wondering.
  static constexpr std::chrono::seconds kUnsubscribeGrace{5};
  static constexpr std::chrono::seconds kUnmatchedWarningInterval{60};
  /// A connection that ends sooner than this, and without a word, may have been taken over.
  static constexpr std::chrono::seconds kShortLife{5};
  static constexpr std::size_t kShortLivesTold = 3;

 private:
  friend class Lane;

  static constexpr std::string_view kNotConnected = "MQTT client is not connected";

  struct WorkerQueue {
    std::vector<WorkerEvent> events;
    std::size_t weight = 0;
  };
  struct Asker {
    WorkerIndex worker;
    RequestId request;
  };
  struct Acknowledgement {
    LaneIndex lane;
    mqtt::AcknowledgementHandle handle;
  };
  /// A received message that some workers have not taken yet.
  struct Unacknowledged {
    Acknowledgement acknowledgement;
    WorkerSet workers;
  };
  struct Unwritten {
    std::uint64_t position;  // in all the bytes that the first lane has ever put out
    Asker asker;
  };
  struct PublishDeadline {
    Instant due;
    mqtt::Token token;
  };

  struct PendingSurvey {
    Asker asker;
    Survey sum;
    WorkerSet awaited;
  };
  struct PendingEnding {
    Asker asker;
    std::size_t sockets;
    WorkerSet awaited;
  };
  /// A client that wants its session back. Others that want the same one wait: only one of them can have it.
  struct PendingRecovery {
    Asker asker;
    socketio::Sid pid;
    std::deque<RecoverCommand> waiting{};
  };

  void absorb(Now now);
  void act(Now now);
  void queue_filter_events(Now now);
  void handle(Lane& lane, const mqtt::SessionEvent& event, Now now);
  void on_connected(Lane& lane, const mqtt::Connected& connected, Now now);
  void on_connection_over(Lane& lane, const std::string& said, bool blames_us, bool retry_at_once, Now now);
  void on_message(Lane& lane, const mqtt::MessageReceived& message, Now now);
  void deliver(Lane& lane, const mqtt::MessageReceived& message, UpstreamFilters::Match& match, Now now);
  void on_publish_completed(const mqtt::PublishCompleted& completed, Now now);
  void on_written(Lane& lane);
  void warn_of_unmatched(const mqtt::MessageReceived& message, Now now);
  [[nodiscard]] bool leads(const Lane& lane, const mqtt::MessageReceived& message,
                           const UpstreamFilters::Match& match) const;

  // Lanes, and what is asked of the broker on them (bridge_lanes.cpp).
  void add_lane();
  void open_wanted_lanes(Now now);
  void join_lanes();
  void stop_lane(Lane& lane, Now now);
  [[nodiscard]] Lane& first() { return *lanes_.front(); }
  void note_short_life(Lane& lane, const mqtt::Disconnected& gone, Now now);
  [[nodiscard]] bool all_lanes_are_up() const;
  void update_status(Now now);
  void send_upstream(Now now);
  void send_requests(Lane& lane, Now now);
  void send_subscribe(Lane& lane, const std::vector<FilterId>& ids, Now now);
  void send_unsubscribe(Lane& lane, const mqtt::TopicFilter& filter, Now now);
  void on_subscribe_completed(Lane& lane, const mqtt::SubscribeCompleted& completed, Now now);
  void on_unsubscribe_completed(Lane& lane, const mqtt::UnsubscribeCompleted& completed);

  // What the workers want (bridge_commands.cpp).
  void handle(LinkCommand& command, Now now);
  void publish(PublishCommand& command, Now now);
  void fetch_retained(const RetainedCommand& command);
  void begin_survey(SurveyCommand& command);
  void on_survey_reply(SurveyReply& reply);
  void begin_ending(EndSessionsCommand& command);
  void on_ending_reply(const EndSessionsReply& reply);

  // Sessions that are asked for again (bridge_recovery.cpp).
  void recover(RecoverCommand& command);
  void on_recovery_reply(RecoveryReply& reply, Now now);
  void keep_for_recovery(const Delivery& delivery, Now now);
  void forget_gone_filters();

  // Rounds of fences, and what rides on them (bridge_fences.cpp).
  void turn_rounds(Now now);
  void finish_round();
  void send_fences(Now now);
  void hand_over_retained(std::vector<RetainedFetcher::Portion>& portions);
  void hand_over_retained(RetainedFetcher::Portion& portion);

  void answer(const Asker& asker, std::optional<Error> error);
  void queue(std::size_t worker, WorkerEvent event);
  void tell_status();
  std::string_view timestamp(WallTime time);

  BridgeOptions options_;
  RandomSource& random_;
  Logger& logger_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<BrokerChannel*> channels_;
  UpstreamFilters filters_;
  UserSubscriptions users_;
  FenceRounds fences_;
  RetainedFetcher fetcher_;
  std::vector<RetainedFetcher::Portion> awaiting_round_;  // fetched, and needing a fence
  std::vector<RetainedFetcher::Portion> riding_;          // on the open round
  std::unordered_map<std::uint64_t, PendingSurvey> surveys_;
  std::uint64_t last_survey_ = 0;
  std::unordered_map<std::uint64_t, PendingEnding> endings_;
  std::uint64_t last_ending_ = 0;
  socketio::EventLog<Delivery> recent_;
  std::unordered_map<std::uint64_t, PendingRecovery> recoveries_;
  std::unordered_map<socketio::Sid, std::uint64_t, SidHash> recovering_;    // the recovery that a session is in
  std::unordered_map<socketio::Sid, WorkerIndex, SidHash> moved_sessions_;  // those that are not where their pid says
  std::uint64_t last_recovery_ = 0;
  LinkStatus status_;
  BridgeCounters counters_;

  std::deque<Unwritten> unwritten_;  // QoS 0 publishes

  mqtt::Token last_token_ = 0;
  std::unordered_map<mqtt::Token, Asker> publishes_;  // QoS 1 and 2
  std::deque<PublishDeadline> publish_deadlines_;
  std::unordered_map<mqtt::Token, std::vector<FilterId>> subscribes_;
  std::unordered_map<mqtt::Token, mqtt::TopicFilter> unsubscribes_;
  std::unordered_set<mqtt::Token> fence_subscribes_;
  std::unordered_map<mqtt::Token, std::string> fence_publishes_;  // of QoS 1, with their topics

  std::vector<WorkerQueue> workers_;
  std::deque<Unacknowledged> unacknowledged_;
  std::vector<Acknowledgement> for_nobody_;  // to be acknowledged after the events are handled

  std::vector<mqtt::SessionEvent> events_;  // scratch of `absorb`
  bool stopped_ = false;
  bool dropping_told_ = false;
  Instant unmatched_is_odd_from_{};
  std::optional<WallTime> timestamp_of_;
  std::string timestamp_;
};

}  // namespace famemely::gateway
