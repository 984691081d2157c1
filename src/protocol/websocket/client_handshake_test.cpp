#include "protocol/websocket/client_handshake.hpp"

#include <gtest/gtest.h>

#include "protocol/websocket/handshake.hpp"

namespace famemely::websocket {
namespace {

UpgradeRequest request() {
  UpgradeRequest request{
      .host = "broker:8080", .target = "/mqtt?a=b", .key = "dGhlIHNhbXBsZSBub25jZQ==", .subprotocol = "mqtt"};
  request.fields.add("Authorization", "Bearer x");
  return request;
}

HttpResponse answer(std::string_view without = "") {
  HttpResponse response{.status = 101, .fields = {}, .body = {}};
  const auto add = [&](const char* name, const char* value) {
    if (name != without) response.fields.add(name, value);
  };
  add("Upgrade", "WebSocket");
  add("Connection", "Upgrade");
  add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  add("Sec-WebSocket-Protocol", "mqtt");
  return response;
}

class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

TEST(WebSocketClientHandshake, WritesTheRequest) {
  EXPECT_EQ(write_upgrade_request(request()),
            "GET /mqtt?a=b HTTP/1.1\r\nHost: broker:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\nAuthorization: Bearer x\r\n\r\n");
}

TEST(WebSocketClientHandshake, MakesAKeyThatAServerAccepts) {
  CountingRandom random;
  HttpRequest upgrade{"GET", "/", {}, {}, {}};
  upgrade.fields.add("Connection", "Upgrade");
  upgrade.fields.add("Upgrade", "websocket");
  upgrade.fields.add("Sec-WebSocket-Version", "13");
  upgrade.fields.add("Sec-WebSocket-Key", make_key(random));
  EXPECT_EQ(check_upgrade(upgrade), std::nullopt);
}

TEST(WebSocketClientHandshake, TakesAGoodAnswer) {
  EXPECT_EQ(check_answer(answer(), "Whatever", request()), std::nullopt);
}

TEST(WebSocketClientHandshake, SaysWhatIsMissing) {
  EXPECT_EQ(check_answer(answer("Upgrade"), "Whatever", request()), "the server did not upgrade to websocket");
  EXPECT_EQ(check_answer(answer("Connection"), "Whatever", request()), "the server did not upgrade to websocket");
  EXPECT_EQ(check_answer(answer("Sec-WebSocket-Accept"), "Whatever", request()),
            "the server's Sec-WebSocket-Accept is wrong");
  EXPECT_EQ(check_answer(answer("Sec-WebSocket-Protocol"), "Whatever", request()),
            "the server did not take the subprotocol mqtt");
}

TEST(WebSocketClientHandshake, RefusesTheAnswerToAnotherKey) {
  UpgradeRequest other = request();
  other.key = "AAAAAAAAAAAAAAAAAAAAAA==";
  EXPECT_EQ(check_answer(answer(), "Whatever", other), "the server's Sec-WebSocket-Accept is wrong");
}

TEST(WebSocketClientHandshake, RefusesWhatWasNotAskedFor) {
  HttpResponse extended = answer();
  extended.fields.add("Sec-WebSocket-Extensions", "permessage-deflate");
  EXPECT_EQ(check_answer(extended, "Whatever", request()), "the server uses an extension that was not asked for");
  HttpResponse other = answer("Sec-WebSocket-Protocol");
  other.fields.add("Sec-WebSocket-Protocol", "mqttv3.1");
  EXPECT_EQ(check_answer(other, "Whatever", request()),
            "the server chose a subprotocol that was not asked for: mqttv3.1");
}

TEST(WebSocketClientHandshake, SaysTheStatusOfARefusal) {
  HttpResponse refusal = answer();
  refusal.status = 403;
  EXPECT_EQ(check_answer(refusal, "Whatever", request()), "the server answered 403 Whatever");
  refusal.status = 799;
  EXPECT_EQ(check_answer(refusal, "", request()), "the server answered 799");
  refusal.status = 301;
  refusal.fields.add("Location", "https://broker/mqtt");
  EXPECT_EQ(check_answer(refusal, "Whatever", request()), "the server answered 301 Whatever to https://broker/mqtt");
}

TEST(WebSocketClientHandshake, RepeatsNoUnpresentableText) {
  HttpResponse refusal = answer();
  refusal.status = 302;
  refusal.fields.add("Location", "\xFF");
  EXPECT_EQ(check_answer(refusal, "\xFF", request()), "the server answered 302");
}

TEST(WebSocketClientHandshake, LetsOnlyHarmlessFieldsBeAdded) {
  for (std::string_view good : {"Authorization", "X-Api-Key", "Cookie", "Origin", "x_y"})
    EXPECT_TRUE(may_be_added(good)) << good;
  for (std::string_view bad : {"", "Host", "upgrade", "CONNECTION", "Content-Length", "transfer-encoding",
                               "Sec-WebSocket-Protocol", "sec-websocket-extensions", "a b", "a:b", "\xC3\xA4", "a\r"})
    EXPECT_FALSE(may_be_added(bad)) << bad;
}

}  // namespace
}  // namespace famemely::websocket
