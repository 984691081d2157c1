#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/mqtt/properties.hpp"
#include "protocol/mqtt/reason_code.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::mqtt {

/// The protocol level on the wire.
enum class ProtocolVersion : std::uint8_t { v3_1_1 = 4, v5 = 5 };
[[nodiscard]] std::string_view to_string(ProtocolVersion version);

/// The upper half of a packet's first byte.
enum class PacketType : std::uint8_t {
  connect = 1,
  connack = 2,
  publish = 3,
  puback = 4,
  pubrec = 5,
  pubrel = 6,
  pubcomp = 7,
  subscribe = 8,
  suback = 9,
  unsubscribe = 10,
  unsuback = 11,
  pingreq = 12,
  pingresp = 13,
  disconnect = 14,
  auth = 15,
};

/// The largest packet that the four bytes of Remaining Length allow.
inline constexpr std::size_t kPacketBytesMax = 268'435'455 + 5;
inline constexpr std::uint32_t kSubscriptionIdentifierMax = 268'435'455;

// --- what a client receives: views of the decoded bytes ---

struct ConnAck {
  bool session_present = false;
  ReasonCode code = ReasonCode::success;
  /// As the protocol that the broker spoke names it: a broker of version 3.1.1 answers so to a CONNECT of version 5.
  std::string_view code_name{};
  std::optional<std::uint32_t> session_expiry_s{};
  std::uint16_t receive_maximum = 65'535;
  std::uint8_t maximum_qos = 2;
  bool retain_available = true;
  std::optional<std::uint32_t> maximum_packet_size{};
  std::optional<std::string_view> assigned_client_id{};
  std::uint16_t topic_alias_maximum = 0;
  std::optional<std::string_view> reason_string{};
  bool wildcard_subscriptions_available = true;
  bool subscription_identifiers_available = true;
  bool shared_subscriptions_available = true;
  std::optional<std::uint16_t> server_keepalive_s{};
  std::optional<std::string_view> response_information{};
  std::optional<std::string_view> server_reference{};
};

struct Publish {
  std::string_view topic;  // empty if only an alias says it
  std::string_view payload;
  std::uint16_t packet_id = 0;  // 0 at QoS 0
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t topic_alias = 0;  // 0: none
  SubscriptionIdentifiersView subscription_identifiers{};
  PublishPropertiesView properties{};
  /// What its publisher has done wrong and the broker has let pass: the message must not be handed on. What is wrong
  /// with its topic is not among it, because an alias may say that.
  const char* fault = nullptr;
  const char* left_out = nullptr;  // a property of the publisher's that means nothing, and why
};

/// PUBACK, PUBREC, PUBREL and PUBCOMP differ in their type only.
struct PublishAck {
  PacketType type;
  std::uint16_t packet_id;
  ReasonCode code = ReasonCode::success;
  std::optional<std::string_view> reason_string{};
};

struct SubAck {
  std::uint16_t packet_id;
  /// One byte for each filter: a ReasonCode, whose values 0 to 2 are the granted QoS; in 3.1.1 a failure is 0x80.
  std::string_view codes;
  std::optional<std::string_view> reason_string{};
};

struct UnsubAck {
  std::uint16_t packet_id;
  std::string_view codes;  // none in 3.1.1
  std::optional<std::string_view> reason_string{};
};

struct PingResp {};

struct Disconnect {
  ReasonCode code = ReasonCode::success;
  std::optional<std::string_view> reason_string{};
  std::optional<std::string_view> server_reference{};
};

struct Auth {
  ReasonCode code = ReasonCode::success;
  std::optional<std::string_view> method{};
};

using ReceivedPacket = std::variant<ConnAck, Publish, PublishAck, SubAck, UnsubAck, PingResp, Disconnect, Auth>;

// --- what a client sends ---

struct Will {
  std::string topic;
  std::string payload;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint32_t delay_s = 0;
  PublishProperties properties{};
};

struct Connect {
  ProtocolVersion version = ProtocolVersion::v5;
  std::string_view client_id{};
  bool clean_start = true;  // 3.1.1: Clean Session
  std::uint16_t keepalive_s = 0;
  std::optional<std::string_view> username{};
  std::optional<std::string_view> password{};
  const Will* will = nullptr;
  // Of version 5 only:
  std::uint32_t session_expiry_s = 0;
  std::uint16_t receive_maximum = 65'535;
  std::uint32_t maximum_packet_size = 0;  // 0: no limit
  std::uint16_t topic_alias_maximum = 0;
  bool request_response_information = false;
  std::span<const UserProperty> user_properties{};
};

enum class RetainHandling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

struct SubscribeEntry {
  TopicFilter filter;
  std::uint8_t qos = 0;
  // Of version 5 only:
  bool no_local = false;
  bool retain_as_published = false;
  RetainHandling retain_handling = RetainHandling::send;
};

}  // namespace famemely::mqtt
