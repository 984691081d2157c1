#include "protocol/mqtt/encoder.hpp"

#include <gtest/gtest.h>

#include <random>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;
using testing::hex;
constexpr auto kV5 = ProtocolVersion::v5;
constexpr auto kV311 = ProtocolVersion::v3_1_1;

template <typename Encode>
std::string encoded(Encode encode) {
  std::string out;
  encode(out);
  return hex(out);
}
std::string connect(const Connect& fields) {
  return encoded([&](std::string& out) { encode_connect(fields, out); });
}
std::string publish(const PublishFields& fields, ProtocolVersion version) {
  return encoded([&](std::string& out) {
    encode_publish(fields, version, out);
    EXPECT_EQ(out.size(), encoded_size(fields, version));
  });
}
TopicFilter filter(std::string_view text) { return *TopicFilter::parse(text); }

TEST(MqttEncoder, WritesConnectOf311) {
  EXPECT_EQ(connect({.version = kV311, .client_id = "id", .clean_start = true, .keepalive_s = 30}),
            hex(bytes("10 0e 0004 'MQTT' 04 02 001e 0002 'id'")));
}

TEST(MqttEncoder, WritesEveryConnectField) {
  const Will will{.topic = "w", .payload = "bye", .qos = 1, .retain = true, .delay_s = 5, .properties = {}};
  EXPECT_EQ(connect({.version = kV5,
                     .client_id = "id",
                     .clean_start = false,
                     .keepalive_s = 30,
                     .username = "u",
                     .password = "p",
                     .will = &will,
                     .session_expiry_s = 3600,
                     .receive_maximum = 100,
                     .maximum_packet_size = 4096,
                     .topic_alias_maximum = 8}),
            hex(bytes("10 33 0004 'MQTT' 05 ec 001e  10 11 00000e10 21 0064 27 00001000 22 0008  0002 'id'"
                      "  05 18 00000005  0001 'w' 0003 'bye'  0001 'u' 0001 'p'")));
}

TEST(MqttEncoder, GivesAPasswordOf311AUserName) {
  EXPECT_EQ(connect({.version = kV311, .client_id = "", .clean_start = true, .password = "p"}),
            hex(bytes("10 11 0004 'MQTT' 04 c2 0000 0000 0000 0001 'p'")));
  EXPECT_EQ(connect({.version = kV5, .client_id = "", .clean_start = true, .password = "p"}),
            hex(bytes("10 10 0004 'MQTT' 05 42 0000 00 0000 0001 'p'")));
}

TEST(MqttEncoder, WritesPublishOf311) {
  EXPECT_EQ(publish({.topic = "a", .payload = "x"}, kV311), hex(bytes("30 04 0001 'a' 'x'")));
  EXPECT_EQ(publish({.topic = "a", .payload = "x", .qos = 2, .retain = true, .dup = true, .packet_id = 258}, kV311),
            hex(bytes("3d 06 0001 'a' 0102 'x'")));
}

TEST(MqttEncoder, WritesEveryPublishProperty) {
  const PublishProperties properties{.message_expiry_s = 60,
                                     .content_type = "c",
                                     .response_topic = "r",
                                     .correlation_data = bytes("00"),
                                     .user_properties = {{"k", "v"}},
                                     .payload_is_utf8 = true};
  EXPECT_EQ(publish({.topic = "a", .payload = "x", .topic_alias = 3, .properties = &properties}, kV5),
            hex(bytes("30 22 0001 'a' 1d 23 0003 01 01 02 0000003c 03 0001 'c' 08 0001 'r' 09 0001 00"
                      " 26 0001 'k' 0001 'v' 'x'")));
}

TEST(MqttEncoder, WritesAcknowledgements) {
  const auto ack = [](PacketType type, ReasonCode code, ProtocolVersion version) {
    return encoded([&](std::string& out) { encode_publish_ack(type, 7, code, version, out); });
  };
  EXPECT_EQ(ack(PacketType::puback, ReasonCode::success, kV5), "40 02 00 07");
  EXPECT_EQ(ack(PacketType::pubrel, ReasonCode::success, kV311), "62 02 00 07");
  EXPECT_EQ(ack(PacketType::pubcomp, ReasonCode::packet_identifier_not_found, kV5), "70 03 00 07 92");
  EXPECT_EQ(ack(PacketType::pubcomp, ReasonCode::packet_identifier_not_found, kV311), "70 02 00 07");
}

TEST(MqttEncoder, WritesSubscribe) {
  const std::vector<SubscribeEntry> entries{{.filter = filter("a/#"), .qos = 1},
                                            {.filter = filter("b"),
                                             .qos = 2,
                                             .no_local = true,
                                             .retain_as_published = true,
                                             .retain_handling = RetainHandling::do_not_send}};
  const auto subscribe = [&](std::optional<std::uint32_t> identifier, ProtocolVersion version) {
    return encoded([&](std::string& out) { encode_subscribe(9, entries, identifier, {}, version, out); });
  };
  EXPECT_EQ(subscribe(128, kV5), hex(bytes("82 10 0009 03 0b 80 01 0003 'a/#' 01 0001 'b' 2e")));
  EXPECT_EQ(subscribe({}, kV5), hex(bytes("82 0d 0009 00 0003 'a/#' 01 0001 'b' 2e")));
  EXPECT_EQ(subscribe({}, kV311), hex(bytes("82 0c 0009 0003 'a/#' 01 0001 'b' 02")));
}

TEST(MqttEncoder, WritesUserPropertiesOfRequests) {
  const std::vector<UserProperty> properties{{"k", "v"}};
  const std::vector<SubscribeEntry> entries{{.filter = filter("b"), .qos = 1}};
  const std::vector<TopicFilter> filters{filter("b")};
  EXPECT_EQ(encoded([&](std::string& out) { encode_subscribe(9, entries, 5, properties, kV5, out); }),
            hex(bytes("82 10 0009 09 0b 05 26 0001 'k' 0001 'v' 0001 'b' 01")));
  EXPECT_EQ(encoded([&](std::string& out) { encode_unsubscribe(9, filters, properties, kV5, out); }),
            hex(bytes("a2 0d 0009 07 26 0001 'k' 0001 'v' 0001 'b'")));
}

TEST(MqttEncoder, WritesUnsubscribe) {
  const std::vector<TopicFilter> filters{filter("a"), filter("#")};
  EXPECT_EQ(encoded([&](std::string& out) { encode_unsubscribe(9, filters, {}, kV5, out); }),
            hex(bytes("a2 09 0009 00 0001 'a' 0001 '#'")));
  EXPECT_EQ(encoded([&](std::string& out) { encode_unsubscribe(9, filters, {}, kV311, out); }),
            hex(bytes("a2 08 0009 0001 'a' 0001 '#'")));
}

TEST(MqttEncoder, WritesPingreqAndDisconnect) {
  EXPECT_EQ(encoded([](std::string& out) { encode_pingreq(out); }), "c0 00");
  EXPECT_EQ(encoded([](std::string& out) { encode_disconnect(ReasonCode::success, {}, kV5, out); }), "e0 00");
  EXPECT_EQ(encoded([](std::string& out) { encode_disconnect(ReasonCode::protocol_error, {}, kV5, out); }), "e0 01 82");
  EXPECT_EQ(encoded([](std::string& out) { encode_disconnect(ReasonCode::protocol_error, "why", kV5, out); }),
            hex(bytes("e0 08 82 06 1f 0003 'why'")));
  EXPECT_EQ(encoded([](std::string& out) { encode_disconnect_and_end_session(out); }), "e0 07 00 05 11 00 00 00 00");
  EXPECT_EQ(encoded([](std::string& out) { encode_disconnect(ReasonCode::protocol_error, "why", kV311, out); }),
            "e0 00");
}

TEST(MqttEncoder, PublishesComeBackFromTheDecoderAsTheyWere) {
  std::mt19937 random(11);
  const auto text = [&](std::size_t max) { return std::string(random() % (max + 1), 'a'); };
  for (int round = 0; round < 2000; ++round) {
    const ProtocolVersion version = random() % 2 ? kV5 : kV311;
    PublishProperties properties;
    if (version == kV5) {
      if (random() % 2) properties.content_type = text(200);
      if (random() % 2) properties.response_topic = "r" + text(10);
      if (random() % 2) properties.correlation_data = text(5);
      if (random() % 2) properties.message_expiry_s = random();
      for (auto count = random() % 3; count > 0; --count) properties.user_properties.push_back({text(9), text(9)});
      properties.payload_is_utf8 = random() % 2 != 0;
    }
    const std::string topic = "t" + text(300);
    const std::string payload = text(20'000);
    PublishFields fields{.topic = topic, .payload = payload, .qos = static_cast<std::uint8_t>(random() % 3)};
    fields.retain = random() % 2 != 0;
    fields.dup = fields.qos > 0 && random() % 2 != 0;
    fields.packet_id = fields.qos > 0 ? static_cast<std::uint16_t>(1 + random() % 65'535) : std::uint16_t{0};
    fields.topic_alias = version == kV5 ? static_cast<std::uint16_t>(random() % 5) : std::uint16_t{0};
    fields.properties = &properties;
    std::string out;
    encode_publish(fields, version, out);
    ASSERT_EQ(out.size(), encoded_size(fields, version));
    const DecodeOutcome outcome = decode(out, version);
    const auto& back = std::get<Publish>(std::get<Decoded>(outcome).packet);
    ASSERT_EQ(back.topic, topic);
    ASSERT_EQ(back.payload, payload);
    ASSERT_EQ(back.qos, fields.qos);
    ASSERT_EQ(back.retain, fields.retain);
    ASSERT_EQ(back.dup, fields.dup);
    ASSERT_EQ(back.packet_id, fields.packet_id);
    ASSERT_EQ(back.topic_alias, fields.topic_alias);
    ASSERT_EQ(back.properties.copy(), properties);
  }
}

}  // namespace
}  // namespace famemely::mqtt
