#include "gateway/raw_message.hpp"

#include <gtest/gtest.h>

#include <string>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/encoder.hpp"

namespace famemely::gateway {
namespace {

using namespace std::string_literals;

mqtt::MessageReceived received(std::string_view topic, std::string_view payload, std::uint8_t qos) {
  return {.topic = topic,
          .payload = payload,
          .qos = qos,
          .retain = false,
          .dup = false,
          .acknowledgement = 0,
          .subscription_identifiers = {},
          .properties = {}};
}

TEST(RawMessage, BringsTopicAndPayloadThroughByteForByte) {
  const std::string payload = "\0\xff{\"a\":1}"s;
  const MessageEvent event = make_raw_message(received("a/b", payload, 2), false, "", "");
  const auto raw = read_raw_message(event.frame);
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->topic, "a/b");
  EXPECT_EQ(raw->payload, payload);
  EXPECT_EQ(raw->qos, 2);
  EXPECT_FALSE(raw->retain);
  EXPECT_TRUE(raw->properties.empty());
}

TEST(RawMessage, SaysRetainAsItsMakerDoes) {
  EXPECT_TRUE(read_raw_message(make_raw_message(received("a", "", 0), true, "", "").frame)->retain);
}

TEST(RawMessage, KeepsTheProperties) {
  mqtt::PublishProperties properties;
  properties.content_type = "application/json";
  properties.user_properties = {{"n", "1"}, {"n", "2"}};
  std::string packet;
  mqtt::encode_publish({.topic = "t", .payload = "p", .properties = &properties}, mqtt::ProtocolVersion::v5, packet);
  const auto decoded = mqtt::decode(packet, mqtt::ProtocolVersion::v5);
  mqtt::MessageReceived message = received("t", "p", 0);
  message.properties = std::get<mqtt::Publish>(std::get<mqtt::Decoded>(decoded).packet).properties;

  const MessageEvent event = make_raw_message(message, false, "", "");
  EXPECT_EQ(read_raw_message(event.frame)->properties.copy(), properties);
}

TEST(RawMessage, RefusesWhatItHasNotMade) {
  EXPECT_FALSE(read_raw_message(make_message_event(received("t", "1", 0), false, "T", "").frame));
}

}  // namespace
}  // namespace famemely::gateway
