#include "protocol/mqtt/decoder.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;
constexpr auto kV5 = ProtocolVersion::v5;
constexpr auto kV311 = ProtocolVersion::v3_1_1;

/// Holds the bytes that the packet's views point into, where they do not move (short strings do, with their owner).
template <typename Packet>
struct Parsed {
  std::unique_ptr<const std::string> raw;
  Packet packet;
};

template <typename Packet>
Parsed<Packet> parsed(std::string_view written, ProtocolVersion version) {
  auto raw = std::make_unique<const std::string>(bytes(written));
  const DecodeOutcome outcome = decode(*raw, version);
  if (!std::holds_alternative<Decoded>(outcome)) throw std::runtime_error("not decoded: " + std::string(written));
  EXPECT_EQ(std::get<Decoded>(outcome).bytes, raw->size());
  const Packet packet = std::get<Packet>(std::get<Decoded>(outcome).packet);
  return {std::move(raw), packet};
}

std::string fault(std::string_view written, ProtocolVersion version) {
  const DecodeOutcome outcome = decode(bytes(written), version);
  if (const auto* found = std::get_if<DecodeFault>(&outcome))
    return std::string(name_of(found->code)) + ": " + found->what;
  return std::holds_alternative<NeedMore>(outcome) ? "need more" : "decoded";
}

TEST(MqttDecoder, ReadsConnackOf311) {
  const auto accepted = parsed<ConnAck>("20 02 01 00", kV311);
  EXPECT_TRUE(accepted.packet.session_present);
  EXPECT_EQ(accepted.packet.code, ReasonCode::success);
  const auto refused = parsed<ConnAck>("20 02 00 05", kV311);
  EXPECT_EQ(refused.packet.code, ReasonCode::not_authorized);
  EXPECT_EQ(refused.packet.code_name, "Connection Refused, not authorized");
}

TEST(MqttDecoder, ReadsEveryConnackProperty) {
  const auto [raw, connack] = parsed<ConnAck>(
      "20 37 00 00 34  11 0000000a  21 0014  24 01  25 00  27 00001000  12 0002 'id'  22 0005  1f 0002 'ok'"
      "  28 00  29 00  2a 00  13 003c  1c 0003 'srv'  26 0001 'k' 0001 'v'",
      kV5);
  EXPECT_EQ(connack.session_expiry_s, 10U);
  EXPECT_EQ(connack.receive_maximum, 20U);
  EXPECT_EQ(connack.maximum_qos, 1U);
  EXPECT_FALSE(connack.retain_available);
  EXPECT_EQ(connack.maximum_packet_size, 4096U);
  EXPECT_EQ(connack.assigned_client_id, "id");
  EXPECT_EQ(connack.topic_alias_maximum, 5U);
  EXPECT_EQ(connack.reason_string, "ok");
  EXPECT_FALSE(connack.wildcard_subscriptions_available);
  EXPECT_FALSE(connack.subscription_identifiers_available);
  EXPECT_FALSE(connack.shared_subscriptions_available);
  EXPECT_EQ(connack.server_keepalive_s, 60U);
  EXPECT_EQ(connack.server_reference, "srv");
}

TEST(MqttDecoder, HasTheDefaultsOfAConnackWithoutProperties) {
  const auto [raw, connack] = parsed<ConnAck>("20 03 00 00 00", kV5);
  EXPECT_EQ(connack.receive_maximum, 65'535U);
  EXPECT_EQ(connack.maximum_qos, 2U);
  EXPECT_TRUE(connack.retain_available);
  EXPECT_TRUE(connack.subscription_identifiers_available);
  EXPECT_EQ(connack.server_keepalive_s, std::nullopt);
}

TEST(MqttDecoder, UnderstandsTheRefusalOfABrokerThatKnowsOnly311) {
  const auto [raw, connack] = parsed<ConnAck>("20 02 00 01", kV5);
  EXPECT_EQ(connack.code, ReasonCode::unsupported_protocol_version);
  EXPECT_EQ(connack.code_name, "Connection Refused, unacceptable protocol version");
}

TEST(MqttDecoder, TakesARefusalWithoutProperties) {
  EXPECT_EQ(parsed<ConnAck>("20 02 00 84", kV5).packet.code, ReasonCode::unsupported_protocol_version);
  EXPECT_EQ(fault("20 02 00 00", kV5), "Malformed Packet: properties are longer than the packet");
}

TEST(MqttDecoder, RefusesMalformedConnacks) {
  EXPECT_EQ(fault("20 01 00", kV311), "Malformed Packet: CONNACK is too short");
  EXPECT_EQ(fault("20 03 00 00 00", kV311), "Malformed Packet: CONNACK is too long");
  EXPECT_EQ(fault("20 02 02 00", kV311), "Malformed Packet: reserved flags in CONNACK");
  EXPECT_EQ(fault("20 02 00 06", kV311), "Malformed Packet: unknown return code in CONNACK");
  EXPECT_EQ(fault("20 02 01 05", kV311), "Protocol Error: session present in a refusing CONNACK");
  EXPECT_EQ(fault("20 03 00 07 00", kV5), "Malformed Packet: unknown reason code in CONNACK");
  EXPECT_EQ(fault("20 03 01 87 00", kV5), "Protocol Error: session present in a refusing CONNACK");
  EXPECT_EQ(fault("20 04 00 00 00 00", kV5), "Malformed Packet: CONNACK is too long");
  EXPECT_EQ(fault("20 05 00 00 02 01 01", kV5), "Protocol Error: property is not allowed in this packet");
}

TEST(MqttDecoder, ReadsAPublishOf311InPlace) {
  const std::string raw = bytes("3b 0a 0003 'a/b' 0102 'xyz' ff");  // a byte of the next packet follows
  const DecodeOutcome outcome = decode(raw, kV311);
  const auto& decoded = std::get<Decoded>(outcome);
  EXPECT_EQ(decoded.bytes, 12U);
  const auto& publish = std::get<Publish>(decoded.packet);
  EXPECT_EQ(publish.topic, "a/b");
  EXPECT_EQ(publish.payload, "xyz");
  EXPECT_EQ(publish.packet_id, 0x102U);
  EXPECT_EQ(publish.qos, 1U);
  EXPECT_TRUE(publish.retain);
  EXPECT_TRUE(publish.dup);
  EXPECT_EQ(publish.topic.data(), raw.data() + 4);
  EXPECT_EQ(publish.payload.data(), raw.data() + 9);
}

TEST(MqttDecoder, ReadsEveryPublishProperty) {
  const auto [raw, publish] = parsed<Publish>(
      "30 33  0001 't'  2c  01 01  02 0000003c  23 0007  08 0001 'r'  09 0002 00ff  26 0001 'k' 0001 'v'  0b 05  0b "
      "8001"
      "  03 000a 'text/plain'  'hi' ff",
      kV5);
  EXPECT_EQ(publish.topic_alias, 7U);
  EXPECT_TRUE(publish.properties.payload_is_utf8);
  EXPECT_EQ(publish.properties.message_expiry_s, 60U);
  EXPECT_EQ(publish.properties.response_topic, "r");
  EXPECT_EQ(publish.properties.correlation_data, bytes("00ff"));
  EXPECT_EQ(publish.properties.content_type, "text/plain");
  EXPECT_EQ(*publish.properties.user_properties.begin(), (UserPropertyView{"k", "v"}));
  std::vector<std::uint32_t> identifiers;
  for (std::uint32_t each : publish.subscription_identifiers) identifiers.push_back(each);
  EXPECT_EQ(identifiers, (std::vector<std::uint32_t>{5, 128}));
  EXPECT_EQ(publish.payload, bytes("'hi' ff"));
}

TEST(MqttDecoder, TakesAPublishWhoseTopicOnlyAnAliasSays) {
  const auto [raw, publish] = parsed<Publish>("30 07 0000 03 23 0001 'x'", kV5);
  EXPECT_EQ(publish.topic, "");
  EXPECT_EQ(publish.topic_alias, 1U);
}

TEST(MqttDecoder, RefusesMalformedPublishes) {
  EXPECT_EQ(fault("36 05 0001 'a' 0001", kV311), "Malformed Packet: QoS 3 in PUBLISH");
  EXPECT_EQ(fault("38 03 0001 'a'", kV311), "Malformed Packet: DUP in a PUBLISH of QoS 0");
  EXPECT_EQ(fault("32 05 0001 'a' 0000", kV311), "Malformed Packet: packet identifier 0 in PUBLISH");
  EXPECT_EQ(fault("32 03 0001 'a'", kV311), "Malformed Packet: PUBLISH is too short");
  EXPECT_EQ(fault("30 03 0002 'a'", kV311), "Malformed Packet: PUBLISH is too short");
  EXPECT_EQ(fault("30 03 0001 'a'", kV5), "Malformed Packet: properties are longer than the packet");
  EXPECT_EQ(fault("30 05 0001 'a' 02 01", kV5), "Malformed Packet: properties are longer than the packet");
  EXPECT_EQ(fault("30 07 0001 'a' 03 23 0000", kV5), "Topic Alias invalid: topic alias 0");
  EXPECT_EQ(fault("30 06 0001 'a' 02 0b 00", kV5), "Protocol Error: property value must not be 0");
  EXPECT_EQ(fault("30 0a 0001 'a' 06 23 0001 23 0001", kV5), "Protocol Error: property is there twice");
  EXPECT_EQ(fault("30 07 0001 'a' 03 21 0001", kV5), "Protocol Error: property is not allowed in this packet");
}

TEST(MqttDecoder, TakesWhatIsWrongByThePublisherAndSaysSo) {
  for (const char* written : {"30 09 0001 'a' 05 08 0002 c3 28", "30 08 0001 'a' 04 03 0001 00"})
    EXPECT_STREQ(parsed<Publish>(written, kV5).packet.fault, "property is not UTF-8");
  EXPECT_STREQ(parsed<Publish>("30 0b 0001 'a' 07 26 0001 'k' 0001 ff", kV5).packet.fault,
               "user property is not UTF-8");
  EXPECT_STREQ(parsed<Publish>("30 08 0001 'a' 04 01 01 01 01", kV5).packet.fault, "property is there twice");
  EXPECT_EQ(parsed<Publish>("30 08 0001 'a' 04 03 0001 'x'", kV5).packet.fault, nullptr);
}

TEST(MqttDecoder, LeavesOutAPublishersPropertiesThatMeanNothing) {
  const auto [raw, format] = parsed<Publish>("30 06 0001 'a' 02 01 02", kV5);
  EXPECT_FALSE(format.properties.payload_is_utf8);
  EXPECT_STREQ(format.left_out, "payload format indicator is neither 0 nor 1");
  const auto [also_raw, response] = parsed<Publish>("30 08 0001 'a' 04 08 0001 '#'", kV5);
  EXPECT_EQ(response.properties.response_topic, std::nullopt);
  EXPECT_STREQ(response.left_out, "response topic holds a wildcard");
  EXPECT_EQ(response.fault, nullptr);
}

TEST(MqttDecoder, ReadsAcknowledgementsOfBothVersions) {
  EXPECT_EQ(parsed<PublishAck>("40 02 0007", kV311).packet.packet_id, 7U);
  EXPECT_EQ(parsed<PublishAck>("50 02 0007", kV311).packet.type, PacketType::pubrec);
  EXPECT_EQ(parsed<PublishAck>("62 02 0007", kV5).packet.code, ReasonCode::success);
  EXPECT_EQ(parsed<PublishAck>("70 03 0007 92", kV5).packet.code, ReasonCode::packet_identifier_not_found);
  const auto [raw, ack] = parsed<PublishAck>("40 08 0007 87 04 1f 0001 'x'", kV5);
  EXPECT_EQ(ack.code, ReasonCode::not_authorized);
  EXPECT_EQ(ack.reason_string, "x");
}

TEST(MqttDecoder, RefusesMalformedAcknowledgements) {
  EXPECT_EQ(fault("40 01 00", kV5), "Malformed Packet: acknowledgement is too short");
  EXPECT_EQ(fault("40 02 0000", kV5), "Malformed Packet: packet identifier 0 in an acknowledgement");
  EXPECT_EQ(fault("40 03 0001 00", kV311), "Malformed Packet: acknowledgement is too long");
  EXPECT_EQ(fault("40 05 0001 00 00 00", kV5), "Malformed Packet: acknowledgement is too long");
  EXPECT_EQ(fault("60 02 0001", kV5), "Malformed Packet: reserved flags in a packet's first byte");
  EXPECT_EQ(fault("42 02 0001", kV5), "Malformed Packet: reserved flags in a packet's first byte");
}

TEST(MqttDecoder, ReadsSubacks) {
  EXPECT_EQ(parsed<SubAck>("90 05 0001 00 02 80", kV311).packet.codes, bytes("00 02 80"));
  EXPECT_EQ(parsed<SubAck>("90 05 0001 00 01 97", kV5).packet.codes, bytes("01 97"));
  EXPECT_EQ(parsed<UnsubAck>("b0 02 0001", kV311).packet.packet_id, 1U);
  EXPECT_EQ(parsed<UnsubAck>("b0 05 0001 00 00 11", kV5).packet.codes, bytes("00 11"));
}

TEST(MqttDecoder, RefusesMalformedSubacks) {
  EXPECT_EQ(fault("90 02 0001", kV311), "Malformed Packet: SUBACK without codes");
  EXPECT_EQ(fault("90 03 0000 00", kV311), "Malformed Packet: packet identifier 0 in SUBACK");
  EXPECT_EQ(fault("90 03 0001 03", kV311), "Malformed Packet: unknown code in SUBACK");
  EXPECT_EQ(fault("90 03 0001 87", kV311), "Malformed Packet: unknown code in SUBACK");
  EXPECT_EQ(fault("90 04 0001 00 03", kV5), "Malformed Packet: unknown code in SUBACK");
  EXPECT_EQ(fault("b0 03 0001 00", kV311), "Malformed Packet: UNSUBACK is too long");
  EXPECT_EQ(fault("b0 03 0001 00", kV5), "Malformed Packet: UNSUBACK without codes");
}

TEST(MqttDecoder, ReadsDisconnects) {
  EXPECT_EQ(parsed<Disconnect>("e0 00", kV5).packet.code, ReasonCode::success);
  EXPECT_EQ(parsed<Disconnect>("e0 01 8e", kV5).packet.code, ReasonCode::session_taken_over);
  const auto [raw, disconnect] = parsed<Disconnect>("e0 08 9c 06 1c 0003 'srv'", kV5);
  EXPECT_EQ(disconnect.server_reference, "srv");
}

TEST(MqttDecoder, RefusesMalformedDisconnects) {
  EXPECT_EQ(fault("e0 00", kV311), "Protocol Error: broker sent a DISCONNECT");
  EXPECT_EQ(fault("e0 07 00 05 11 00000001", kV5), "Protocol Error: session expiry in a DISCONNECT");
  EXPECT_EQ(fault("e0 03 00 00 00", kV5), "Malformed Packet: DISCONNECT is too long");
}

TEST(MqttDecoder, ReadsAuth) {
  const auto [raw, auth] = parsed<Auth>("f0 07 18 05 15 0002 'md'", kV5);
  EXPECT_EQ(auth.code, ReasonCode::continue_authentication);
  EXPECT_EQ(auth.method, "md");
  EXPECT_EQ(fault("f0 00", kV311), "Malformed Packet: reserved packet type 15");
}

TEST(MqttDecoder, ReadsPingresp) {
  parsed<PingResp>("d0 00", kV311);
  EXPECT_EQ(fault("d0 01 00", kV5), "Malformed Packet: PINGRESP is too long");
}

TEST(MqttDecoder, RefusesPacketsThatOnlyClientsSend) {
  for (const char* written : {"10 00", "82 00", "a2 00", "c0 00"})
    EXPECT_EQ(fault(written, kV5), "Protocol Error: broker sent a packet that only clients send") << written;
  EXPECT_EQ(fault("00 00", kV5), "Malformed Packet: reserved packet type 0");
}

TEST(MqttDecoder, RejectsRemainingLengthOverFourBytes) {
  EXPECT_EQ(fault("30 ff ff ff ff", kV5), "Malformed Packet: Remaining Length of more than four bytes");
  EXPECT_EQ(fault("30 ff ff ff 7f", kV5), "need more");
}

TEST(MqttDecoder, RefusesALargePacketAsSoonAsItsHeadIsThere) {
  const DecodeOutcome outcome = decode(bytes("30 64"), kV5, 101);
  EXPECT_EQ(std::get<DecodeFault>(outcome).code, ReasonCode::packet_too_large);
  EXPECT_EQ(std::get<NeedMore>(decode(bytes("30 64"), kV5, 102)).packet_bytes, 102U);
}

TEST(MqttDecoder, AsksForMoreAtEveryPrefixOfAPacket) {
  const std::vector<std::string> packets{
      bytes("20 05 00 00 02 24 01"),
      bytes("30 0f 0001 't' 0a 26 0001 'k' 0001 'v' 23 0007 'p'"),
      bytes("40 08 0007 87 04 1f 0001 'x'"),
      bytes("90 05 0001 00 01 97"),
      bytes("e0 08 9c 06 1c 0003 'srv'"),
      bytes("f0 07 18 05 15 0002 'md'"),
      bytes("30 80 01") + bytes("0001 't' 00") + std::string(124, 'x'),
  };
  for (const std::string& packet : packets) {
    for (std::size_t size = 0; size < packet.size(); ++size)
      ASSERT_TRUE(std::holds_alternative<NeedMore>(decode(std::string_view(packet).substr(0, size), kV5)))
          << testing::hex(packet) << " at " << size;
    ASSERT_TRUE(std::holds_alternative<Decoded>(decode(packet, kV5))) << testing::hex(packet);
  }
}

}  // namespace
}  // namespace famemely::mqtt
