#include "api/publish_request.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

Result<gateway::OutgoingMessage, Error> read(std::string_view json,
                                             std::optional<std::string_view> attachment = std::nullopt) {
  return read_publish(*JsonView::parse(json), attachment, {});
}
std::string payload(std::string_view json) { return read(json)->payload; }
std::string refusal(std::string_view json, std::optional<std::string_view> attachment = std::nullopt) {
  const auto message = read(json, attachment);
  return message ? "" : std::to_string(message.error().status()) + " " + message.error().text();
}

TEST(PublishRequest, AJsonPayloadKeepsItsText) {
  for (const char* json : {"12345678901234567890.10", "1E400", R"({ "b" : [1,2] , "a":null})", R"("\u00e4")", "null"})
    EXPECT_EQ(payload(std::string(R"({"topic":"a","payload": )") + json + " }"), json);
}

TEST(PublishRequest, TextAndBase64AreBytesThatSayWhatTheyAre) {
  const auto text = read(R"({"topic":"a","payload":"\u00e4","encoding":"text"})");
  EXPECT_EQ(text->payload, "\xC3\xA4");
  EXPECT_EQ(text->properties.content_type, "text/plain");
  const auto binary = read(R"({"topic":"a","payload":"AP8=","encoding":"base64"})");
  EXPECT_EQ(binary->payload, std::string("\x00\xFF", 2));
  EXPECT_EQ(binary->properties.content_type, "application/octet-stream");
  EXPECT_FALSE(binary->properties_asked) << "a broker of version 3.1.1 takes it, without the type";
}

TEST(PublishRequest, ABufferIsItsBytes) {
  const auto message = read(R"({"topic":"a","payload":{"_placeholder":true,"num":0}})", "\xFF");
  EXPECT_EQ(message->payload, "\xFF");
  EXPECT_EQ(message->properties.content_type, "application/octet-stream");
  EXPECT_EQ(refusal(R"({"topic":"a","payload":0,"encoding":"base64"})", "x"),
            "400 encoding must not be set for a Buffer");
}

TEST(PublishRequest, TheClientsOwnContentTypeWins) {
  const auto message = read(R"({"topic":"a","payload":"x","encoding":"text","properties":{"contentType":"text/css"}})");
  EXPECT_EQ(message->properties.content_type, "text/css");
  EXPECT_TRUE(message->properties_asked);
}

TEST(PublishRequest, HasDefaults) {
  const auto message = read(R"({"topic":"a","payload":1,"qos":null})");
  EXPECT_EQ(message->qos, 0);
  EXPECT_FALSE(message->retain);
}

TEST(PublishRequest, SaysWhatIsWrong) {
  EXPECT_EQ(refusal(R"({"topic":"a","payload":1,"encoding":"text"})"),
            "400 payload must be a string with encoding text");
  EXPECT_EQ(refusal(R"({"topic":"a","payload":"%","encoding":"base64"})"),
            "400 payload must be base64 with encoding base64");
  EXPECT_EQ(refusal(R"({"topic":"a/+","payload":1})"), "400 topic must not hold wildcards");
  EXPECT_EQ(refusal(R"({"topic":"a","payload":1,"properties":{"nonsense":1}})").substr(0, 3), "400");
}

}  // namespace
}  // namespace famemely::api
