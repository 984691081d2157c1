#include "protocol/socketio/encoder.hpp"

#include <gtest/gtest.h>

#include "protocol/engineio/outbox.hpp"

namespace famemely::socketio {
namespace {

/// What a polling client would get.
std::string packets_of(const Frame& frame) {
  engineio::FramePool pool;
  engineio::Outbox outbox;
  pool.push(outbox, frame);
  std::string payload;
  pool.take_payload(outbox, payload, 100, 1'000'000);
  return payload;
}

TEST(SocketIoEncoder, WritesEvents) {
  EXPECT_EQ(packets_of(make_event_frame("/", "foo", "")), R"(42["foo"])");
  EXPECT_EQ(packets_of(make_event_frame("/mqtt", "f\"oo", R"({"n":1.0},"x")")), R"(42/mqtt,["f\"oo",{"n":1.0},"x"])");
  EXPECT_EQ(packets_of(make_event_frame("/mqtt", "foo", "1", {}, 12)), R"(42/mqtt,12["foo",1])");
}

TEST(SocketIoEncoder, WritesABinaryEventAndItsAttachmentsInOneFrame) {
  std::string args;
  append_placeholder(args, 0);
  args += ',';
  append_placeholder(args, 1);
  const std::string_view attachments[] = {"\x01", std::string_view("\x02\x03", 2)};
  const Frame frame = make_event_frame("/mqtt", "baz", args, attachments);
  EXPECT_EQ(packets_of(frame), R"(452-/mqtt,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}])"
                               "\x1e"
                               "bAQ==\x1e"
                               "bAgM=");
  EXPECT_TRUE(frame.websocket_bytes().ends_with("\x82\x01\x01\x82\x02\x02\x03"));
}

TEST(SocketIoEncoder, LeavesUserDataThatLooksLikeAPlaceholderInAPlainEvent) {
  const std::string user_data = R"({"_placeholder":true,"num":0})";
  EXPECT_EQ(packets_of(make_event_frame("/", "m", user_data)), R"(42["m",{"_placeholder":true,"num":0}])");
  EXPECT_TRUE(looks_like_placeholder(user_data));
  EXPECT_FALSE(looks_like_placeholder(R"({"payload":1})"));
}

TEST(SocketIoEncoder, WritesAcknowledgements) {
  EXPECT_EQ(packets_of(make_ack_frame("/mqtt", 12, R"("bar")")), R"(43/mqtt,12["bar"])");
  EXPECT_EQ(packets_of(make_ack_frame("/mqtt", 12, "")), "43/mqtt,12[]");
  std::string args;
  append_placeholder(args, 0);
  const std::string_view attachments[] = {"x"};
  EXPECT_EQ(packets_of(make_ack_frame("/", 0, args, attachments)),
            "461-0[{\"_placeholder\":true,\"num\":0}]\x1e"
            "beA==");
}

TEST(SocketIoEncoder, TakesAnOffsetAwayAgain) {
  for (const std::string& before : {std::string(), std::string(R"({"a":",\""})"), std::string(300, '7')}) {
    std::string args = before;
    append_offset(args, "17.3");
    EXPECT_EQ(args, before.empty() ? "\"17.3\"" : before + ",\"17.3\"");
    EXPECT_EQ(packets_of(without_offset(make_event_frame("/mqtt", "m", args))),
              packets_of(make_event_frame("/mqtt", "m", before)));
  }
}

TEST(SocketIoEncoder, KeepsAttachmentsWhenAnOffsetIsTakenAway) {
  std::string before;
  append_placeholder(before, 0);
  std::string args = before;
  append_offset(args, "1");
  const std::string_view attachments[] = {"bytes"};
  EXPECT_EQ(packets_of(without_offset(make_event_frame("/mqtt", "m", args, attachments))),
            packets_of(make_event_frame("/mqtt", "m", before, attachments)));
}

TEST(SocketIoEncoder, WritesTheRest) {
  EXPECT_EQ(packets_of(make_connect_frame("/", "abc", "def")), R"(40{"sid":"abc","pid":"def"})");
  EXPECT_EQ(packets_of(make_connect_frame("/mqtt", "abc")), R"(40/mqtt,{"sid":"abc"})");
  EXPECT_EQ(packets_of(make_connect_error_frame("/x", "Invalid namespace")), R"(44/x,{"message":"Invalid namespace"})");
  EXPECT_EQ(packets_of(make_connect_error_frame("/mqtt", "No", R"({"statusCode":401})")),
            R"(44/mqtt,{"message":"No","data":{"statusCode":401}})");
  EXPECT_EQ(packets_of(make_disconnect_frame("/mqtt")), "41/mqtt,");
}

}  // namespace
}  // namespace famemely::socketio
