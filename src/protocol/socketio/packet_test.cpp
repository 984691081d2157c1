#include "protocol/socketio/packet.hpp"

#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

TEST(SocketIoPacket, ReadsEveryPart) {
  const auto packet = decode_packet(R"(51-/admin,456["project:delete",{"_placeholder":true,"num":0}])");
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, PacketType::binary_event);
  EXPECT_EQ(packet->attachments, 1U);
  EXPECT_EQ(packet->nsp, "/admin");
  EXPECT_EQ(packet->ack_id, 456U);
  EXPECT_EQ(packet->json, R"(["project:delete",{"_placeholder":true,"num":0}])");
}

TEST(SocketIoPacket, AcceptsWhatTheProtocolAllows) {
  struct Row {
    const char* text;
    PacketType type;
    const char* nsp;
    const char* json;
  };
  const Row rows[] = {
      {"0", PacketType::connect, "/", ""},
      {R"(0{"token":"x"})", PacketType::connect, "/", R"({"token":"x"})"},
      {"0/,", PacketType::connect, "/", ""},
      {R"(0/mqtt,{"a":1})", PacketType::connect, "/mqtt", R"({"a":1})"},
      {"0/mqtt", PacketType::connect, "/mqtt", ""},
      {"1/mqtt,", PacketType::disconnect, "/mqtt", ""},
      {"1", PacketType::disconnect, "/", ""},
      {R"(2["foo"])", PacketType::event, "/", R"(["foo"])"},
      {"2[1]", PacketType::event, "/", "[1]"},
      {R"(2 [ "foo" , 1.0 ])", PacketType::event, "/", R"( [ "foo" , 1.0 ])"},
      {"2", PacketType::event, "/", ""},
      {"3", PacketType::ack, "/", ""},
      {"3/mqtt,12[]", PacketType::ack, "/mqtt", "[]"},
      {R"(2["\u0066oo"])", PacketType::event, "/", R"(["\u0066oo"])"},
      {R"(51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}])", PacketType::binary_event, "/",
       R"(["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}])"},
      {R"(2["a",{"_placeholder":true,"num":9}])", PacketType::event, "/", R"(["a",{"_placeholder":true,"num":9}])"},
  };
  for (const Row& row : rows) {
    const auto packet = decode_packet(row.text);
    ASSERT_TRUE(packet) << row.text;
    EXPECT_EQ(packet->type, row.type) << row.text;
    EXPECT_EQ(packet->nsp, row.nsp) << row.text;
    EXPECT_EQ(packet->json, row.json) << row.text;
  }
}

TEST(SocketIoPacket, RefusesWhatTheProtocolForbids) {
  for (const char* text : {"",
                           "7",
                           "a",
                           "-1",
                           "0[]",
                           "0\"s\"",
                           "0null",
                           "0{",
                           "1{}",
                           "2[]",
                           "2{}",
                           "2\"a\"",
                           "2[null]",
                           "2[{}]",
                           "2[[]]",
                           "2[true]",
                           "2abc[\"a\"]",
                           "2-1[\"a\"]",
                           "2[\"a\"",
                           "2[\"a\"]x",
                           "2[\"connect\"]",
                           "2[\"connect_error\"]",
                           "2[\"disconnect\"]",
                           "2[\"disconnecting\"]",
                           "2[\"newListener\"]",
                           "2[\"removeListener\"]",
                           "2[\"\\u0063onnect\"]",
                           "3abc[]",
                           "30{}",
                           "3{}",
                           "50-",
                           "5-",
                           "5[\"a\"]",
                           "51[\"a\"]",
                           "51-",
                           "511-[\"a\"]",
                           "5-1-[\"a\"]",
                           "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
                           "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]",
                           "51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]",
                           "51-[\"a\",{\"_placeholder\":true}]",
                           "60-[]",
                           "61-{}"})
    EXPECT_FALSE(decode_packet(text)) << text;
}

TEST(SocketIoPacket, TakesAckIdsUpToWhatJavaScriptCounts) {
  const auto largest = decode_packet(R"(29007199254740991["a"])");
  ASSERT_TRUE(largest);
  EXPECT_EQ(largest->ack_id, 9007199254740991U);
  EXPECT_FALSE(decode_packet(R"(29007199254740992["a"])"));
  EXPECT_FALSE(decode_packet(R"(299999999999999999999999["a"])"));
}

TEST(SocketIoPacket, RefusesNestingThatIsTooDeep) {
  const std::string deep = "2[\"a\"," + std::string(600, '[') + std::string(600, ']') + "]";
  EXPECT_FALSE(decode_packet(deep));
}

}  // namespace
}  // namespace famemely::socketio
