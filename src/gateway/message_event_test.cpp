#include "gateway/message_event.hpp"

#include <gtest/gtest.h>

#include <string>

namespace famemely::gateway {
namespace {

std::string event_text(const IncomingMessage& message) {
  const std::string bytes(make_message_event(message).frame.websocket_bytes());
  return bytes.substr(bytes.find('4'));
}

const IncomingMessage kJson{
    .topic = "a/\"b", .payload = "{\"n\": 12345678901234567890}", .qos = 1, .retain = false, .timestamp = "T"};

TEST(MessageEvent, SplicesJsonThroughUnchanged) {
  EXPECT_EQ(event_text(kJson),
            "42/mqtt,[\"mqtt:message\",{\"topic\":\"a/\\\"b\",\"payload\":{\"n\": 12345678901234567890},\"qos\":1,"
            "\"retain\":false,\"timestamp\":\"T\"}]");
}

TEST(MessageEvent, QuotesWhatIsNotJson) {
  IncomingMessage message = kJson;
  message.topic = "t";
  message.payload = "21.5 C";
  EXPECT_NE(event_text(message).find("\"payload\":\"21.5 C\""), std::string::npos);
  message.payload = "";
  EXPECT_NE(event_text(message).find("\"payload\":\"\""), std::string::npos);
}

TEST(MessageEvent, SendsOtherBytesAsAnAttachment) {
  IncomingMessage message = kJson;
  message.topic = "t";
  message.payload = "\xFF\x00x";
  const std::string text = event_text(message);
  EXPECT_EQ(text.find("451-/mqtt,[\"mqtt:message\",{\"topic\":\"t\",\"payload\":{\"_placeholder\":true,\"num\":0}"), 0U)
      << text;
  EXPECT_TRUE(text.ends_with("\xFF"));
}

TEST(MessageEvent, KnowsThePlaceOfItsQos) {
  for (std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{70'000}}) {
    const std::string payload(size, 'x');
    IncomingMessage message = kJson;
    message.payload = payload;
    message.qos = 2;
    const MessageEvent event = make_message_event(message);
    EXPECT_EQ(event.frame.websocket_bytes().substr(event.qos_place - 6, 7), "\"qos\":2") << size;
  }
}

TEST(ClassifyPayload, AContentTypeDecides) {
  EXPECT_EQ(classify_payload("{}", ""), PayloadKind::json);
  EXPECT_EQ(classify_payload("{}", "text/plain"), PayloadKind::text);
  EXPECT_EQ(classify_payload("{}", "text/plain; charset=utf-8"), PayloadKind::text);
  EXPECT_EQ(classify_payload("{}", "application/octet-stream"), PayloadKind::binary);
  EXPECT_EQ(classify_payload("{}", "application/json"), PayloadKind::json);
  EXPECT_EQ(classify_payload("\xFF", "text/plain"), PayloadKind::binary);
  EXPECT_EQ(classify_payload(std::string(513, '[') + std::string(513, ']'), ""), PayloadKind::text);
}

}  // namespace
}  // namespace famemely::gateway
