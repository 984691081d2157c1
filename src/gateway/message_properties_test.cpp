#include "gateway/message_properties.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/encoder.hpp"

namespace famemely::gateway {
namespace {

constexpr std::string_view kAll =
    R"({"contentType":"text/plain","responseTopic":"r/1","correlationData":"AP8=","messageExpiry":60,)"
    R"("userProperties":{"a":["1","3"],"b":"2"}})";

Result<mqtt::PublishProperties, std::string> read(std::string_view json) {
  return read_properties(*JsonView::parse(json));
}

/// The properties as a receiver is told them, once they have been written and decoded.
std::string told(const mqtt::PublishProperties& properties) {
  std::string packet;
  mqtt::encode_publish({.topic = "t", .payload = "", .properties = &properties}, mqtt::ProtocolVersion::v5, packet);
  const auto outcome = mqtt::decode(packet, mqtt::ProtocolVersion::v5);
  return properties_json(std::get<mqtt::Publish>(std::get<mqtt::Decoded>(outcome).packet).properties);
}

TEST(MessageProperties, ComeToTheReceiverAsTheyWerePublished) {
  const auto properties = read(kAll);
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->correlation_data, std::string("\0\xFF", 2));
  EXPECT_EQ(told(*properties), kAll);
}

TEST(MessageProperties, OfAMessageWithoutAnyAreNotTold) {
  EXPECT_EQ(told({}), "");
  EXPECT_EQ(told({.payload_is_utf8 = true}), "");
}

TEST(MessageProperties, AreRefusedWithTheNameOfWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"contentType":1})", "properties.contentType must be a string"},
      {R"({"responseTopic":null})", "properties.responseTopic must be a string"},
      {R"({"responseTopic":"a/#"})", "properties: response topic must not hold wildcards"},
      {R"({"contentType":"a\u0085"})", "properties: content type must not hold control characters"},
      {R"({"userProperties":{"note":"two\nlines"}})",
       "properties: user property value must not hold control characters"},
      {R"({"correlationData":"?"})", "properties.correlationData must be base64"},
      {R"({"messageExpiry":-1})", "properties.messageExpiry must be a number of seconds from 0 to 4294967295"},
      {R"({"messageExpiry":4294967296})", "properties.messageExpiry must be a number of seconds from 0 to 4294967295"},
      {R"({"userProperties":[]})", "properties.userProperties must be an object"},
      {R"({"userProperties":{"a":[1]}})", "properties.userProperties.a must be a string or an array of strings"},
      {R"({"topicAlias":1})", "property properties.topicAlias should not exist"},
  };
  for (const auto& [json, text] : cases) {
    const auto properties = read(json);
    ASSERT_FALSE(properties) << json;
    EXPECT_EQ(properties.error(), text);
  }
}

TEST(MessageProperties, OfManyNamesDoNotTakeLong) {
  mqtt::PublishProperties properties;
  for (int i = 0; i < 100'000; ++i) properties.user_properties.push_back({std::to_string(i), ""});
  const std::string json = told(properties);
  EXPECT_TRUE(json.starts_with(R"({"userProperties":{"0":"","1":"")")) << json.substr(0, 40);
  EXPECT_TRUE(json.ends_with(R"("99999":""}})"));
}

}  // namespace
}  // namespace famemely::gateway
