#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "protocol/mqtt/broker_side.hpp"
#include "protocol/mqtt/inbound_messages.hpp"
#include "protocol/mqtt/keepalive.hpp"
#include "protocol/mqtt/outbound_messages.hpp"
#include "protocol/mqtt/packet_ids.hpp"
#include "protocol/mqtt/packet_reader.hpp"
#include "protocol/mqtt/session_effects.hpp"
#include "protocol/mqtt/session_options.hpp"
#include "protocol/mqtt/subscription_requests.hpp"
#include "protocol/mqtt/topic_aliases.hpp"
#include "protocol/mqtt/topic_name.hpp"
#include "protocol/mqtt/version_fallback.hpp"

namespace famemely::mqtt {

struct PublishCommand {
  Token token;
  TopicName topic;
  std::string payload;
  std::uint8_t qos = 0;
  bool retain = false;
  PublishProperties properties{};
};

struct SubscribeCommand {
  Token token;
  std::vector<SubscribeEntry> entries;  // all in one SUBSCRIBE packet
  std::optional<std::uint32_t> subscription_identifier{};
  std::vector<UserProperty> user_properties{};  // for the broker; of version 5 only
};

struct UnsubscribeCommand {
  Token token;
  std::vector<TopicFilter> filters;
  std::vector<UserProperty> user_properties{};
};

/// An MQTT client's side of one session with a broker, over as many connections as it takes (MQTT 5 and 3.1.1, section
/// 4). It does no I/O: bytes and time go in, bytes and events come out.
///
///     session.on_transport_open(now, effects);       // once the transport stands
///     session.on_bytes(received, now, effects);      // as they come
///     session.on_timer(now, effects);                // at next_deadline()
///     write(effects.output); for (auto& event : effects.events) ...; effects.clear();
///
/// The caller opens a transport and calls `on_transport_open`. After ConnectFailed or Disconnected it closes the
/// transport and opens another when it likes; calls for the old one are ignored meanwhile. Several commands may share
/// one Effects, whose output is then one write.
class Session {
 public:
  explicit Session(SessionOptions options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A fresh transport stands (for mqtts and WebSockets: after their handshakes). Sends CONNECT.
  void on_transport_open(Instant now, Effects& effects);
  void on_bytes(std::string_view bytes, Instant now, Effects& effects);
  /// The transport is gone without our having asked for it.
  void on_transport_closed(Instant now, Effects& effects);
  /// Time has come to `next_deadline`. Harmless when called early.
  void on_timer(Instant now, Effects& effects);
  /// When on_timer is due: kNever if nothing waits for time. It may move with each call.
  [[nodiscard]] Instant next_deadline() const;

  /// Refuses what the broker has declared that it does not take, and everything while there is no connection.
  /// An accepted publish of QoS 1 or 2 outlives the connection; PublishCompleted ends it in any case.
  [[nodiscard]] Result<void, Error> publish(PublishCommand command, Instant now, Effects& effects);
  [[nodiscard]] Result<void, Error> subscribe(const SubscribeCommand& command, Instant now, Effects& effects);
  [[nodiscard]] Result<void, Error> unsubscribe(const UnsubscribeCommand& command, Instant now, Effects& effects);
  /// Sends PINGREQ. PingCompleted follows, unless the connection goes first.
  void ping(Token token, Instant now, Effects& effects);
  /// The message is in safe hands: PUBACK or PUBREC. They leave in order of arrival, so one that is acknowledged early
  /// waits for those before it. A handle of a connection that is gone may be given still.
  void acknowledge(AcknowledgementHandle handle, Instant now, Effects& effects);
  /// Sends DISCONNECT. With 3.1.1 the code stays here.
  void disconnect(ReasonCode code, Instant now, Effects& effects);

  /// What another session of this process speaks with the same broker: the next connection speaks it too.
  void adopt_version(ProtocolVersion version) { fallback_.adopt(version); }

  [[nodiscard]] bool connected() const { return phase_ == Phase::connected; }
  /// The version of the connection, or the one to be tried next.
  [[nodiscard]] ProtocolVersion version() const {
    return phase_ == Phase::closed ? fallback_.version() : broker_.version;
  }
  [[nodiscard]] const std::string& client_id() const { return options_.client_id; }
  [[nodiscard]] const BrokerCapabilities& broker() const { return broker_.capabilities; }
  /// Publishes of QoS 1 and 2 that are not completed: sent, and waiting to be sent.
  [[nodiscard]] std::size_t in_flight() const { return outbound_.in_flight(); }
  [[nodiscard]] std::size_t queued() const { return outbound_.queued(); }
  /// Received messages whose acknowledgement has not been sent.
  [[nodiscard]] std::size_t unacknowledged() const { return inbound_.unacknowledged(); }
  /// Of publishes in flight and of requests, and those that publishes given up at QoS 2 keep from use.
  [[nodiscard]] std::size_t packet_ids_in_use() const { return packet_ids_.in_use(); }

 private:
  enum class Phase : std::uint8_t { closed, connecting, connected };
  struct Failure {
    ReasonCode code;
    std::string text;
    bool speaks_our_version = false;  // else nothing is known of that while there is no connection
  };

  // What arrives.
  [[nodiscard]] std::optional<Failure> handle(const ReadOutcome& outcome, Instant now, Effects& effects);
  [[nodiscard]] std::optional<Failure> handle_packet(const ReceivedPacket& packet, Instant now, Effects& effects);
  [[nodiscard]] std::optional<Failure> handle_connack(const ConnAck& connack, Instant now, Effects& effects);
  void refuse_connack(const ConnAck& connack, Effects& effects);
  void accept(const ConnAck& connack, Instant now, Effects& effects);
  [[nodiscard]] std::optional<Failure> handle_publish(const Publish& publish, Effects& effects);
  [[nodiscard]] std::optional<Failure> resolve_alias(const Publish& publish, std::string_view& topic);
  [[nodiscard]] Result<InboundMessages::Received, Failure> receive(std::uint8_t qos, std::uint16_t packet_id, bool dup,
                                                                   std::size_t fingerprint, Effects& effects);
  [[nodiscard]] std::optional<Failure> pass_over(const Publish& publish, std::string_view topic, const char* fault,
                                                 Effects& effects);
  void warn_of_publisher(std::string_view outcome, std::string_view fault, std::string_view topic, Effects& effects);
  [[nodiscard]] std::optional<Failure> handle_oversized(const OversizedPublish& publish, Effects& effects);
  [[nodiscard]] std::optional<Failure> handle_publish_ack(const PublishAck& ack, Effects& effects);
  void handle_pingresp(Effects& effects);
  void handle_disconnect(const Disconnect& disconnect, Effects& effects);

  // How connections begin and end.
  [[nodiscard]] bool starts_clean() const;
  /// True if the broker holds a session that is not wanted: this connection, or with version 3.1.1 the next, ends it.
  [[nodiscard]] bool clears_old_session(const ConnAck& connack, Effects& effects);
  /// We end the connection because of what the broker did or did not do.
  void fail(Failure failure, Effects& effects);
  void fail_connecting(ConnectFailed event, Effects& effects);
  void close(bool blame, Effects& effects);
  /// Notes that bytes were sent, for the keepalive.
  void note_sent(std::size_t output_before, Instant now, const Effects& effects);
  [[nodiscard]] std::optional<Error> refusal(const SubscribeCommand& command) const;
  [[nodiscard]] std::optional<Error> refusal(const std::vector<UserProperty>& properties) const;

  SessionOptions options_;
  VersionFallback fallback_;
  PacketReader reader_;
  PacketIds packet_ids_;
  OutboundMessages outbound_;
  InboundMessages inbound_;
  InboundTopicAliases inbound_aliases_;
  SubscriptionRequests requests_;
  Keepalive keepalive_;
  std::deque<std::optional<Token>> pings_;  // sent and not answered; the keepalive's have no token
  BrokerSide broker_;
  Instant connect_sent_;             // of this connection
  bool connect_unanswered_ = false;  // the last CONNECT, so far
  bool session_doubtful_ = false;    // a CONNECT since the last accepted one was never answered, or it was taken over
  Phase phase_ = Phase::closed;
  bool ever_accepted_ = false;
  /// An old session is ended by a connection of its own: with 5 by what DISCONNECT says, because mosquitto 2.0.11 does
  /// not save a session that a clean start began; where that was not heard by a clean start after all. With 3.1.1 by a
  /// clean session, which ends with its connection; a broker that says again that it has one is believed to have made
  /// it since.
  enum class Clearing : std::uint8_t { not_needed, asked, due, done };
  Clearing clearing_ = Clearing::not_needed;
  bool publishers_fault_told_ = false;  // on this connection
};

}  // namespace famemely::mqtt
