#include "protocol/mqtt/decoder.hpp"

#include <algorithm>
#include <optional>

#include "protocol/mqtt/byte_reader.hpp"
#include "protocol/mqtt/property_section.hpp"

namespace famemely::mqtt {
namespace {

using BodyOutcome = std::variant<ReceivedPacket, DecodeFault>;

constexpr DecodeFault malformed(const char* what) { return {ReasonCode::malformed_packet, what}; }
constexpr DecodeFault protocol_error(const char* what) { return {ReasonCode::protocol_error, what}; }

constexpr PropertySet kConnAckProperties{PropertyId::session_expiry_interval,
                                         PropertyId::receive_maximum,
                                         PropertyId::maximum_qos,
                                         PropertyId::retain_available,
                                         PropertyId::maximum_packet_size,
                                         PropertyId::assigned_client_identifier,
                                         PropertyId::topic_alias_maximum,
                                         PropertyId::reason_string,
                                         PropertyId::user_property,
                                         PropertyId::wildcard_subscription_available,
                                         PropertyId::subscription_identifier_available,
                                         PropertyId::shared_subscription_available,
                                         PropertyId::server_keep_alive,
                                         PropertyId::response_information,
                                         PropertyId::server_reference,
                                         PropertyId::authentication_method,
                                         PropertyId::authentication_data};
constexpr PropertySet kPublishProperties{PropertyId::payload_format_indicator,
                                         PropertyId::message_expiry_interval,
                                         PropertyId::topic_alias,
                                         PropertyId::response_topic,
                                         PropertyId::correlation_data,
                                         PropertyId::user_property,
                                         PropertyId::subscription_identifier,
                                         PropertyId::content_type};
/// Of these, the ones that a publisher chooses and a broker passes on as they are (section 3.3.2.3).
constexpr PropertySet kTravellingProperties{
    PropertyId::payload_format_indicator, PropertyId::message_expiry_interval, PropertyId::response_topic,
    PropertyId::correlation_data,         PropertyId::user_property,           PropertyId::content_type};
constexpr PropertySet kAckProperties{PropertyId::reason_string, PropertyId::user_property};
constexpr PropertySet kDisconnectProperties{PropertyId::session_expiry_interval, PropertyId::reason_string,
                                            PropertyId::user_property, PropertyId::server_reference};
constexpr PropertySet kAuthProperties{PropertyId::authentication_method, PropertyId::authentication_data,
                                      PropertyId::reason_string, PropertyId::user_property};

std::optional<DecodeFault> read_properties(ByteReader& body, PropertySet allowed, PropertyValues& values,
                                           PropertySet of_the_publisher = {}) {
  const std::uint32_t size = body.variable();
  const std::string_view section = body.take(size);
  if (body.failed()) return malformed("properties are longer than the packet");
  if (auto fault = parse_properties(section, allowed, values, of_the_publisher))
    return DecodeFault{fault->code, fault->what};
  return std::nullopt;
}

std::uint16_t u16_property(const PropertyValues& values, PropertyId id, std::uint16_t otherwise) {
  return static_cast<std::uint16_t>(values.number(id, otherwise));
}

void take_capabilities(const PropertyValues& values, ConnAck& connack) {
  connack.session_expiry_s = values.number(PropertyId::session_expiry_interval);
  connack.receive_maximum = u16_property(values, PropertyId::receive_maximum, 65'535);
  connack.maximum_qos = static_cast<std::uint8_t>(values.number(PropertyId::maximum_qos, 2));
  connack.retain_available = values.number(PropertyId::retain_available, 1) != 0;
  connack.maximum_packet_size = values.number(PropertyId::maximum_packet_size);
  connack.assigned_client_id = values.text(PropertyId::assigned_client_identifier);
  connack.topic_alias_maximum = u16_property(values, PropertyId::topic_alias_maximum, 0);
  connack.reason_string = values.text(PropertyId::reason_string);
  connack.wildcard_subscriptions_available = values.number(PropertyId::wildcard_subscription_available, 1) != 0;
  connack.subscription_identifiers_available = values.number(PropertyId::subscription_identifier_available, 1) != 0;
  connack.shared_subscriptions_available = values.number(PropertyId::shared_subscription_available, 1) != 0;
  if (values.has(PropertyId::server_keep_alive))
    connack.server_keepalive_s = u16_property(values, PropertyId::server_keep_alive, 0);
  connack.response_information = values.text(PropertyId::response_information);
  connack.server_reference = values.text(PropertyId::server_reference);
}

BodyOutcome decode_connack(ByteReader body, ProtocolVersion version) {
  const std::uint8_t flags = body.u8();
  const std::uint8_t code = body.u8();
  if (body.failed()) return malformed("CONNACK is too short");
  if (flags > 1) return malformed("reserved flags in CONNACK");
  ConnAck connack{.session_present = flags == 1};
  // A broker that knows 3.1.1 only refuses a CONNECT of version 5 with its own CONNACK, which ends here.
  const bool old_refusal = body.at_end() && code >= 1 && code <= 5;
  if (version == ProtocolVersion::v3_1_1 || old_refusal) {
    if (!body.at_end()) return malformed("CONNACK is too long");
    if (code > 5) return malformed("unknown return code in CONNACK");
    connack.code = reason_of_return_code(code);
    connack.code_name = name_of_return_code(code);
    connack.subscription_identifiers_available = false;
  } else {
    if (code != 0 && code < 0x80) return malformed("unknown reason code in CONNACK");
    connack.code = static_cast<ReasonCode>(code);
    connack.code_name = name_of(connack.code);
    // Brokers that are about to close leave the properties out, which is harmless in a refusal.
    if (code == 0 || !body.at_end()) {
      PropertyValues values;
      if (auto fault = read_properties(body, kConnAckProperties, values)) return *fault;
      take_capabilities(values, connack);
      if (!body.at_end()) return malformed("CONNACK is too long");
    }
  }
  if (connack.session_present && code != 0) return protocol_error("session present in a refusing CONNACK");
  return connack;
}

std::optional<DecodeFault> take_publish_properties(ByteReader& body, Publish& publish) {
  ByteReader ahead = body;
  const std::string_view section = ahead.take(ahead.variable());
  PropertyValues values;
  if (auto fault = read_properties(body, kPublishProperties, values, kTravellingProperties)) return fault;
  if (section.empty()) return std::nullopt;
  publish.topic_alias = u16_property(values, PropertyId::topic_alias, 0);
  publish.subscription_identifiers = {section, values.has(PropertyId::subscription_identifier)};
  publish.properties = {.message_expiry_s = values.number(PropertyId::message_expiry_interval),
                        .content_type = values.text(PropertyId::content_type),
                        .response_topic = values.text(PropertyId::response_topic),
                        .correlation_data = values.text(PropertyId::correlation_data),
                        .user_properties = {section, values.has(PropertyId::user_property)},
                        .payload_is_utf8 = values.number(PropertyId::payload_format_indicator, 0) == 1};
  publish.fault = values.publishers_fault;
  if (values.number(PropertyId::payload_format_indicator, 0) > 1)
    publish.left_out = "payload format indicator is neither 0 nor 1";
  auto& response_topic = publish.properties.response_topic;
  if (response_topic && response_topic->find_first_of("+#") != std::string_view::npos) {
    response_topic.reset();
    publish.left_out = "response topic holds a wildcard";
  }
  return std::nullopt;
}

BodyOutcome decode_publish(ByteReader body, std::uint8_t flags, ProtocolVersion version) {
  Publish publish;
  publish.retain = (flags & 0x1) != 0;
  publish.qos = flags >> 1 & 0x3;
  publish.dup = (flags & 0x8) != 0;
  if (publish.qos == 3) return malformed("QoS 3 in PUBLISH");
  if (publish.dup && publish.qos == 0) return malformed("DUP in a PUBLISH of QoS 0");
  publish.topic = body.prefixed();
  if (publish.qos > 0) publish.packet_id = body.u16();
  if (body.failed()) return malformed("PUBLISH is too short");
  if (publish.qos > 0 && publish.packet_id == 0) return malformed("packet identifier 0 in PUBLISH");
  if (version == ProtocolVersion::v5)
    if (auto fault = take_publish_properties(body, publish)) return *fault;
  publish.payload = body.rest();
  return publish;
}

BodyOutcome decode_publish_ack(ByteReader body, PacketType type, ProtocolVersion version) {
  PublishAck ack{.type = type, .packet_id = body.u16()};
  if (body.failed()) return malformed("acknowledgement is too short");
  if (ack.packet_id == 0) return malformed("packet identifier 0 in an acknowledgement");
  if (version == ProtocolVersion::v5) {
    // Section 3.4.2.1: success without properties may leave out both. Codes of other packets are let pass: what
    // counts is whether they are failures.
    if (!body.at_end()) ack.code = static_cast<ReasonCode>(body.u8());
    if (!body.at_end()) {
      PropertyValues values;
      if (auto fault = read_properties(body, kAckProperties, values)) return *fault;
      ack.reason_string = values.text(PropertyId::reason_string);
    }
  }
  if (!body.at_end()) return malformed("acknowledgement is too long");
  return ack;
}

bool valid_suback_code(char code, ProtocolVersion version) {
  const auto value = static_cast<std::uint8_t>(code);
  return value <= 2 || (version == ProtocolVersion::v5 ? value >= 0x80 : value == 0x80);
}

BodyOutcome decode_suback(ByteReader body, ProtocolVersion version) {
  SubAck suback{.packet_id = body.u16(), .codes = {}};
  if (body.failed()) return malformed("SUBACK is too short");
  if (suback.packet_id == 0) return malformed("packet identifier 0 in SUBACK");
  if (version == ProtocolVersion::v5) {
    PropertyValues values;
    if (auto fault = read_properties(body, kAckProperties, values)) return *fault;
    suback.reason_string = values.text(PropertyId::reason_string);
  }
  suback.codes = body.rest();
  if (suback.codes.empty()) return malformed("SUBACK without codes");
  if (!std::all_of(suback.codes.begin(), suback.codes.end(),
                   [&](char code) { return valid_suback_code(code, version); }))
    return malformed("unknown code in SUBACK");
  return suback;
}

BodyOutcome decode_unsuback(ByteReader body, ProtocolVersion version) {
  UnsubAck unsuback{.packet_id = body.u16(), .codes = {}};
  if (body.failed()) return malformed("UNSUBACK is too short");
  if (unsuback.packet_id == 0) return malformed("packet identifier 0 in UNSUBACK");
  if (version == ProtocolVersion::v3_1_1) {
    if (!body.at_end()) return malformed("UNSUBACK is too long");
    return unsuback;
  }
  PropertyValues values;
  if (auto fault = read_properties(body, kAckProperties, values)) return *fault;
  unsuback.reason_string = values.text(PropertyId::reason_string);
  unsuback.codes = body.rest();
  if (unsuback.codes.empty()) return malformed("UNSUBACK without codes");
  return unsuback;
}

BodyOutcome decode_disconnect(ByteReader body, ProtocolVersion version) {
  if (version == ProtocolVersion::v3_1_1) return protocol_error("broker sent a DISCONNECT");
  Disconnect disconnect;
  if (!body.at_end()) disconnect.code = static_cast<ReasonCode>(body.u8());
  if (!body.at_end()) {
    PropertyValues values;
    if (auto fault = read_properties(body, kDisconnectProperties, values)) return *fault;
    // Section 3.14.2.2.2: only a client may say how long its session lasts.
    if (values.has(PropertyId::session_expiry_interval)) return protocol_error("session expiry in a DISCONNECT");
    disconnect.reason_string = values.text(PropertyId::reason_string);
    disconnect.server_reference = values.text(PropertyId::server_reference);
  }
  if (!body.at_end()) return malformed("DISCONNECT is too long");
  return disconnect;
}

BodyOutcome decode_auth(ByteReader body, ProtocolVersion version) {
  if (version == ProtocolVersion::v3_1_1) return malformed("reserved packet type 15");
  Auth auth;
  if (!body.at_end()) auth.code = static_cast<ReasonCode>(body.u8());
  if (!body.at_end()) {
    PropertyValues values;
    if (auto fault = read_properties(body, kAuthProperties, values)) return *fault;
    auth.method = values.text(PropertyId::authentication_method);
  }
  if (!body.at_end()) return malformed("AUTH is too long");
  return auth;
}

BodyOutcome decode_body(std::uint8_t first, std::string_view bytes, ProtocolVersion version) {
  const auto type = static_cast<PacketType>(first >> 4);
  const ByteReader body(bytes);
  switch (type) {
    case PacketType::connack:
      return decode_connack(body, version);
    case PacketType::publish:
      return decode_publish(body, first & 0x0F, version);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
      return decode_publish_ack(body, type, version);
    case PacketType::suback:
      return decode_suback(body, version);
    case PacketType::unsuback:
      return decode_unsuback(body, version);
    case PacketType::pingresp:
      if (!bytes.empty()) return malformed("PINGRESP is too long");
      return PingResp{};
    case PacketType::disconnect:
      return decode_disconnect(body, version);
    case PacketType::auth:
      return decode_auth(body, version);
    case PacketType::connect:
    case PacketType::subscribe:
    case PacketType::unsubscribe:
    case PacketType::pingreq:
      return protocol_error("broker sent a packet that only clients send");
  }
  return malformed("reserved packet type 0");
}

/// Sections 2.1.3 and 3: only a PUBLISH has flags to choose.
bool valid_flags(std::uint8_t first) {
  const auto type = static_cast<PacketType>(first >> 4);
  if (type == PacketType::publish) return true;
  const bool fixed_two = type == PacketType::pubrel || type == PacketType::subscribe || type == PacketType::unsubscribe;
  return (first & 0x0F) == (fixed_two ? 2 : 0);
}

}  // namespace

DecodeOutcome decode(std::string_view bytes, ProtocolVersion version, std::size_t packet_bytes_max) {
  const HeadOutcome outcome = decode_head(bytes);
  if (const auto* fault = std::get_if<DecodeFault>(&outcome)) return *fault;
  if (std::holds_alternative<NeedMore>(outcome)) return NeedMore{};
  const auto& head = std::get<PacketHead>(outcome);
  if (head.packet_bytes() > packet_bytes_max) return DecodeFault{ReasonCode::packet_too_large, "packet is too large"};
  if (bytes.size() < head.packet_bytes()) return NeedMore{head.packet_bytes()};
  BodyOutcome body = decode_body(head.first_byte, bytes.substr(head.head_bytes, head.body_bytes), version);
  if (const auto* fault = std::get_if<DecodeFault>(&body)) return *fault;
  return Decoded{std::get<ReceivedPacket>(body), head.packet_bytes()};
}

HeadOutcome decode_head(std::string_view bytes) {
  if (bytes.empty()) return NeedMore{};
  PacketHead head{.first_byte = static_cast<std::uint8_t>(bytes[0])};
  if (!valid_flags(head.first_byte)) return malformed("reserved flags in a packet's first byte");
  for (std::size_t at = 1; at <= 4; ++at) {
    if (at == bytes.size()) return NeedMore{};
    const auto byte = static_cast<std::uint8_t>(bytes[at]);
    head.body_bytes |= static_cast<std::size_t>(byte & 0x7F) << (7 * (at - 1));
    if ((byte & 0x80) == 0) {
      head.head_bytes = at + 1;
      return head;
    }
  }
  return malformed("Remaining Length of more than four bytes");
}

}  // namespace famemely::mqtt
