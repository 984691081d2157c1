#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/mqtt/packet.hpp"

namespace famemely::mqtt {

/// Chosen by the caller for each command, and given back with its outcome.
using Token = std::uint64_t;

/// Names a received QoS 1 or 2 message until it is acknowledged. 0: QoS 0, nothing to acknowledge.
using AcknowledgementHandle = std::uint64_t;

/// What the broker takes, as its CONNACK says; a broker of version 3.1.1 says nothing and has these values.
struct BrokerCapabilities {
  std::uint8_t maximum_qos = 2;
  bool retain = true;
  bool wildcard_subscriptions = true;
  bool subscription_identifiers = false;
  std::uint16_t receive_maximum = 65'535;
  std::size_t maximum_packet_size = kPacketBytesMax;
  std::uint16_t topic_alias_maximum = 0;
  std::uint16_t keepalive_s = 0;                    // in use: the server's, or ours
  std::optional<std::uint32_t> session_expiry_s{};  // if the broker changed ours

  bool operator==(const BrokerCapabilities&) const = default;
};

struct Connected {
  bool session_present;
  ProtocolVersion version;
  std::string client_id;  // ours, or the one that the broker assigned
  BrokerCapabilities broker;
  std::string response_information{};  // if it was asked for
};

/// There is no MQTT connection: close the transport, if it is still open.
struct ConnectFailed {
  std::string reason;              // for the log and `lastError`: `Connection refused: Not authorized`
  std::optional<ReasonCode> code;  // if a CONNACK said it
  std::string_view code_name{};
  std::string server_reference{};
  /// Open a new transport at once, without a pause: the next CONNECT is another one.
  bool retry_at_once = false;
  /// The next CONNECT is one of version 3.1.1.
  bool fall_back_to_3_1_1 = false;
};

/// The connection that had been accepted is gone: close the transport, if it is still open.
struct Disconnected {
  std::string reason;
  std::optional<ReasonCode> code;  // the broker's, or the one that we sent
  bool by_broker = false;          // a DISCONNECT packet came
  bool by_caller = false;          // `disconnect` was called
  bool session_taken_over = false;
  bool blames_us = false;  // it may be the fault of what we had sent: the broker named no reason of its own
  std::string server_reference{};
};

/// The views are valid until the next on_bytes or on_transport_open, as long as the bytes given to on_bytes are; other
/// calls (such as acknowledge) leave them alone.
struct MessageReceived {
  std::string_view topic;  // an alias is resolved; valid UTF-8 without wildcards, but TopicName may be stricter
  std::string_view payload;
  std::uint8_t qos;
  bool retain;
  bool dup;
  AcknowledgementHandle acknowledgement;
  SubscriptionIdentifiersView subscription_identifiers;
  PublishPropertiesView properties;
};

/// A broker of version 3.1.1 (which no limit can be announced to) sent a packet over `packet_bytes_max`. It is read
/// past and acknowledged, so that one message can't keep the connection down.
struct MessageTooLarge {
  std::string topic;
  std::size_t packet_bytes;
  std::uint8_t qos;
};

/// The end of every accepted `publish`.
struct PublishCompleted {
  Token token;
  /// True if the broker has it: QoS 0 once its bytes are in the output (count them as gone when the transport has
  /// written them), QoS 1 after PUBACK, QoS 2 after PUBCOMP.
  bool taken;
  ReasonCode code;              // the broker's
  std::string_view note;        // static text: a warning if taken, else why not; empty if `code` says it all
  std::string reason_string{};  // the broker's, if it gave one
};

/// One code for each filter, in the order of the command. `lost` if the connection went before the answer came: then
/// there are no codes, and the caller asks again on the next connection. `blames_us` if it may have gone because of
/// what was asked, as it does with brokers that close where they refuse; not if the broker said another reason.
struct SubscribeCompleted {
  Token token;
  bool lost;
  std::vector<ReasonCode> codes;
  std::string reason_string{};
  bool blames_us = false;
};
struct UnsubscribeCompleted {
  Token token;
  bool lost;
  std::vector<ReasonCode> codes;  // version 3.1.1 has none: all `success`
  std::string reason_string{};
};

/// The PINGRESP to a `ping`: the broker has answered everything that was sent before it.
struct PingCompleted {
  Token token;
};

/// For the log: the broker did something odd that we can live with.
struct Warning {
  std::string text;
};

using SessionEvent = std::variant<Connected, ConnectFailed, Disconnected, MessageReceived, MessageTooLarge,
                                  PublishCompleted, SubscribeCompleted, UnsubscribeCompleted, PingCompleted, Warning>;

/// Owned by the caller, who passes the output on, handles the events in order, and clears both for the next call.
/// Commands given while one handles events may add events: then iterate by index, or give them another Effects.
struct Effects {
  std::string output;  // append to what is to be written
  std::vector<SessionEvent> events;

  void clear() {
    output.clear();
    events.clear();
  }
};

}  // namespace famemely::mqtt
