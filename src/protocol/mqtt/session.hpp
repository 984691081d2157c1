#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/result.hpp"
#include "protocol/mqtt/session_effects.hpp"
#include "protocol/mqtt/session_options.hpp"
#include "protocol/mqtt/topic_name.hpp"

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
};

struct UnsubscribeCommand {
  Token token;
  std::vector<TopicFilter> filters;
};

/// An MQTT client's side of one session with a broker, over as many connections as it takes (MQTT 5 and 3.1.1, section
/// 4). It does no I/O: bytes and time go in, bytes and events come out.
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
  /// The message is in safe hands: PUBACK or PUBREC. They leave in order of arrival, so one that is acknowledged early
  /// waits for those before it. A handle of a connection that is gone may be given still.
  void acknowledge(AcknowledgementHandle handle, Instant now, Effects& effects);
  /// Sends DISCONNECT. With 3.1.1 the code stays here.
  void disconnect(ReasonCode code, Instant now, Effects& effects);

  [[nodiscard]] bool connected() const { return phase_ == Phase::connected; }
  /// The version of the connection, or the one to be tried next.
  [[nodiscard]] ProtocolVersion version() const { return version_; }
  [[nodiscard]] const std::string& client_id() const { return options_.client_id; }
  [[nodiscard]] const BrokerCapabilities& broker() const { return broker_; }
  /// Publishes of QoS 1 and 2 that are not completed: sent, and waiting to be sent.
  [[nodiscard]] std::size_t in_flight() const;
  [[nodiscard]] std::size_t queued() const;
  /// Received messages whose acknowledgement has not been sent.
  [[nodiscard]] std::size_t unacknowledged() const;

 private:
  enum class Phase : std::uint8_t { closed, connecting, connected };
  Phase phase_ = Phase::closed;
  ProtocolVersion version_ = ProtocolVersion::v5;
  SessionOptions options_;
  BrokerCapabilities broker_;
};

}  // namespace famemely::mqtt
