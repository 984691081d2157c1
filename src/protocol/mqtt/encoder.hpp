#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/mqtt/packet.hpp"

/// Packets that a client sends, appended to the output. The fields must be valid: filters and topics are parsed, texts
/// are UTF-8 of at most 65,535 bytes, and what only version 5 has is not asked of 3.1.1.
namespace famemely::mqtt {

struct PublishFields {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;    // 0 at QoS 0
  std::uint16_t topic_alias = 0;  // 0: none
  const PublishProperties* properties = nullptr;
};

void encode_connect(const Connect& connect, std::string& out);
void encode_publish(const PublishFields& publish, ProtocolVersion version, std::string& out);
/// The bytes that encode_publish would append.
[[nodiscard]] std::size_t encoded_size(const PublishFields& publish, ProtocolVersion version);
/// PUBACK, PUBREC, PUBREL or PUBCOMP. Version 3.1.1 has no place for the code.
void encode_publish_ack(PacketType type, std::uint16_t packet_id, ReasonCode code, ProtocolVersion version,
                        std::string& out);
void encode_subscribe(std::uint16_t packet_id, std::span<const SubscribeEntry> entries,
                      std::optional<std::uint32_t> subscription_identifier,
                      std::span<const UserProperty> user_properties, ProtocolVersion version, std::string& out);
void encode_unsubscribe(std::uint16_t packet_id, std::span<const TopicFilter> filters,
                        std::span<const UserProperty> user_properties, ProtocolVersion version, std::string& out);
void encode_pingreq(std::string& out);
/// Version 3.1.1 has no place for the code and the reason.
void encode_disconnect(ReasonCode code, std::string_view reason_string, ProtocolVersion version, std::string& out);
/// Ends the session with the connection (MQTT 5 section 3.14.2.2.2: a Session Expiry Interval of 0).
void encode_disconnect_and_end_session(std::string& out);

}  // namespace famemely::mqtt
