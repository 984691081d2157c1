#include "io/broker_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "protocol/websocket/decoder.hpp"
#include "protocol/websocket/encoder.hpp"
#include "protocol/websocket/handshake.hpp"

namespace famemely::io {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

class BrokerWireTest : public ::testing::Test {
 protected:
  BrokerWireTest() {
    address_.websocket = BrokerAddress::WebSocket{.target = "/path?query"};
    address_.websocket->fields.add("X-A", "1");
  }

  std::string begin() {
    std::string out;
    wire_.emplace(address_, "broker", std::uint16_t{80}, random_);
    wire_->begin(out);
    const std::size_t key = out.find("Sec-WebSocket-Key: ") + 19;
    answer_ =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
        websocket::accept_value(out.substr(key, 24)) + "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    return out;
  }
  /// The MQTT bytes, or the fault.
  std::string receive(const std::string& bytes, std::size_t piece) {
    std::string mqtt;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      std::vector<char> fed(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                            bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at + piece)));
      if (auto taken = wire_->on_received(fed, mqtt); !taken) return "fault: " + taken.error();
    }
    return mqtt;
  }

  CountingRandom random_;
  BrokerAddress address_;
  std::optional<BrokerWire> wire_;
  std::string answer_;
};

TEST_F(BrokerWireTest, AsksForTheWebSocket) {
  const std::string request = begin();
  EXPECT_THAT(request, StartsWith("GET /path?query HTTP/1.1\r\nHost: broker\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nSec-WebSocket-Protocol: mqtt\r\nX-A: 1\r\n\r\n"));
  EXPECT_FALSE(wire_->is_open());
  EXPECT_EQ(wire_->describe_timeout(), "WebSocket handshake with broker:80 timed out");
  EXPECT_EQ(wire_->describe_end(), "WebSocket handshake with broker:80 failed: the broker closed the connection");
}

TEST_F(BrokerWireTest, NamesAnUnusualPortAndBracketsAnAddress) {
  std::string out;
  BrokerWire(address_, "::1", 8080, random_).begin(out);
  EXPECT_THAT(out, HasSubstr("\r\nHost: [::1]:8080\r\n"));
}

TEST_F(BrokerWireTest, OpensHoweverTheAnswerIsCut) {
  for (std::size_t piece = 1; piece < 250; ++piece) {
    begin();
    std::string bytes = answer_;
    websocket::append_message(bytes, websocket::Opcode::binary, "first");
    websocket::append_message(bytes, websocket::Opcode::binary, " second");
    EXPECT_EQ(receive(bytes, piece), "first second") << piece;
    EXPECT_TRUE(wire_->is_open());
  }
}

TEST_F(BrokerWireTest, RefusesAnswersThatAreNone) {
  const auto fault = [&](const std::string& answer) {
    std::string told;
    for (std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{100'000}}) {
      begin();
      told = receive(answer, piece);
      EXPECT_THAT(told, StartsWith("fault: WebSocket handshake with broker:80 failed: "));
    }
    return told.substr(told.find("failed: ") + 8);
  };
  EXPECT_EQ(fault("HTTP/1.1 503 Try later\r\nContent-Length: 3\r\n\r\nno!"), "the server answered 503 Try later");
  EXPECT_EQ(fault("HTTP/1.1 101 \r\nX: " + std::string(20'000, 'x')),
            "the head of the server's answer is over 16384 bytes");
  EXPECT_THAT(fault(std::string("\x20\x02\x00\x00\r\n\r\n", 8)), StartsWith("the server does not answer in HTTP: "));
  EXPECT_THAT(fault("HTTP/1.1 101 Yes\r\nbroken field\r\n\r\n"), StartsWith("the server does not answer in HTTP: "));
}

TEST_F(BrokerWireTest, SendsFramesAndAnswersPings) {
  begin();
  receive(answer_, 1000);
  std::string ping;
  websocket::append_ping(ping, "?");
  receive(ping, 1000);
  std::string out;
  wire_->send("mqtt", out);
  wire_->close(out);
  std::vector<std::string> told;
  websocket::Decoder decoder(websocket::Role::server, 1000);
  decoder.feed(out);
  while (const auto event = decoder.next()) {
    if (const auto* pong = std::get_if<websocket::Pong>(&*event)) told.push_back("pong " + std::string(pong->data));
    if (const auto* message = std::get_if<websocket::Message>(&*event)) told.emplace_back(message->data);
    if (const auto* close = std::get_if<websocket::Close>(&*event)) told.push_back(std::to_string(close->code));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"pong ?", "mqtt", "1000"}));
}

TEST_F(BrokerWireTest, AnswersEndlessPingsWithoutHoldingMore) {
  begin();
  receive(answer_, 1000);
  std::string ping;
  websocket::append_ping(ping, std::string(100, 'p'));
  for (int i = 0; i < 1000; ++i) receive(ping, 1000);
  std::string out;
  wire_->take_answers(out);
  EXPECT_LT(out.size(), 200U);
}

TEST_F(BrokerWireTest, SaysWhatTheEndOfTheWebSocketWas) {
  begin();
  receive(answer_, 1000);
  std::string close;
  websocket::append_close(close, 1008, "no");
  EXPECT_EQ(receive(close, 1), "fault: the broker closed the WebSocket with 1008 policy violation: no");
}

TEST(MayFollow, TakesCredentialsOnlyToWhoeverProvesItsName) {
  BrokerAddress address{.host = "configured"};
  EXPECT_TRUE(may_follow(address, "other"));
  address.has_credentials = true;
  EXPECT_FALSE(may_follow(address, "other"));
  EXPECT_TRUE(may_follow(address, "configured"));
  address.tls = TlsContext::make({.insecure = true}).value();
  EXPECT_FALSE(may_follow(address, "other"));
  address.tls = TlsContext::make({}).value();
  EXPECT_TRUE(may_follow(address, "other"));
}

}  // namespace
}  // namespace famemely::io
