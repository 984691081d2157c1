#include "protocol/socketio/decoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

constexpr std::size_t kMax = 1000;
constexpr const char* kTwoDue = R"(52-/mqtt,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}])";

TEST(SocketIoDecoder, PutsAttachmentsToTheirPacket) {
  Decoder decoder;
  EXPECT_TRUE(std::holds_alternative<Incomplete>(decoder.on_text(kTwoDue)));
  EXPECT_TRUE(std::holds_alternative<Incomplete>(decoder.on_binary("one", kMax)));
  const DecodeResult result = decoder.on_binary("two", kMax);
  const auto& decoded = std::get<DecodedPacket>(result);
  EXPECT_EQ(decoded.packet.nsp, "/mqtt");
  EXPECT_THAT(decoded.attachments, testing::ElementsAre("one", "two"));
  EXPECT_TRUE(std::holds_alternative<DecodedPacket>(decoder.on_text("2[\"next\"]")));
}

TEST(SocketIoDecoder, RefusesTextWhileAttachmentsAreDue) {
  Decoder decoder;
  EXPECT_TRUE(std::holds_alternative<Incomplete>(decoder.on_text(kTwoDue)));
  EXPECT_TRUE(std::holds_alternative<DecodeFault>(decoder.on_text("2[\"a\"]")));
}

TEST(SocketIoDecoder, RefusesBinaryThatNobodyAnnounced) {
  Decoder decoder;
  EXPECT_TRUE(std::holds_alternative<DecodeFault>(decoder.on_binary("x", kMax)));
  EXPECT_TRUE(std::holds_alternative<DecodedPacket>(decoder.on_text("2[\"a\"]")));
  EXPECT_TRUE(std::holds_alternative<DecodeFault>(decoder.on_binary("x", kMax)));
}

TEST(SocketIoDecoder, RefusesMoreBytesThanAMessageMayHave) {
  Decoder decoder;
  EXPECT_TRUE(std::holds_alternative<Incomplete>(decoder.on_text(kTwoDue)));
  EXPECT_TRUE(std::holds_alternative<Incomplete>(decoder.on_binary(std::string(500, 'x'), kMax)));
  const DecodeResult result = decoder.on_binary(std::string(500, 'x'), kMax);
  EXPECT_EQ(std::get<DecodeFault>(result).limit, Limit::message_size);
}

TEST(SocketIoDecoder, IsOnePointerBetweenPackets) { EXPECT_EQ(sizeof(Decoder), sizeof(void*)); }

}  // namespace
}  // namespace famemely::socketio
