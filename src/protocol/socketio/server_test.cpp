#include "protocol/socketio/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/socketio/server_bench.hpp"

namespace famemely::socketio {
namespace {

using engineio::make_request;
using engineio::masked_binary;
using engineio::masked_text;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Bench = ServerBench;

TEST(SocketIoServer, KnowsWhereASocketComesFromAndSinceWhen) {
  Bench bench;
  bench.now.wall = WallTime(seconds(1'800'000'000));
  bench.join(1);
  EXPECT_EQ(bench.server.handshake(bench.socket).remote_address, "192.0.2.1");
  EXPECT_EQ(bench.server.joined_at(bench.socket), bench.now.wall);
  bench.disconnect(1);
  EXPECT_EQ(bench.server.handshake(bench.socket).remote_address, "");
  EXPECT_EQ(bench.server.joined_at(bench.socket), WallTime{});
}

TEST(SocketIoServer, CountsWhatPassesThrough) {
  Bench bench;
  bench.join(1);
  bench.request(2, make_request("GET", "EIO=4&transport=polling", "", kPath));
  EXPECT_EQ(bench.server.connection_count(), 2U);
  EXPECT_EQ(bench.server.polling_connection_count(), 1U);
  const Traffic before = bench.server.traffic();
  EXPECT_EQ(before.connections_opened, 2U);
  EXPECT_EQ(before.connections_closed, 0U);

  bench.text(1, R"(42/mqtt,["a"])");
  const Frame frame = make_event_frame("/mqtt", "b", "1");
  bench.server.emit(bench.socket, frame);
  bench.turn();
  bench.disconnect(1);
  bench.server.emit(bench.socket, frame);  // to nobody
  const Traffic after = bench.server.traffic();
  EXPECT_EQ(after.packets_in - before.packets_in, 1U);
  EXPECT_EQ(after.bytes_in - before.bytes_in, std::string_view(R"(2/mqtt,["a"])").size());
  EXPECT_EQ(after.packets_out - before.packets_out, 1U);
  EXPECT_EQ(after.bytes_out - before.bytes_out, frame.size());
  EXPECT_EQ(after.connections_opened, 2U);
  EXPECT_EQ(after.connections_closed, 1U);
}

TEST(SocketIoServer, PassesEventsOnAsTheyWereSent) {
  Bench bench;
  bench.join(1);
  bench.text(1, R"(42/mqtt,["foo",1.0,{"a" : [12345678901234567890]},"\u00e9"])");
  bench.text(1, R"(42/mqtt,12[1])");
  EXPECT_THAT(bench.diary, ElementsAre(R"(foo|1.0|{"a" : [12345678901234567890]}|"\u00e9")", "1 ack 12"));
}

TEST(SocketIoServer, AnswersWithTheAckIdOfTheEvent) {
  Bench bench;
  bench.join(1);
  bench.text(1, R"(42/mqtt,9007199254740991["foo"])");
  EXPECT_EQ(bench.server.reply(bench.socket, *bench.last_event.ack_id, R"({"success":true})"), EmitResult::queued);
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre(R"(43/mqtt,9007199254740991[{"success":true}])"));
}

TEST(SocketIoServer, PassesAttachmentsOn) {
  Bench bench;
  bench.join(1);
  bench.bytes(1,
              masked_text(R"(451-/mqtt,["foo",{"payload":{"_placeholder":true,"num":0}}])") + masked_binary("bytes"));
  const auto argument = JsonView::parse(bench.last_event.args[0]);
  EXPECT_EQ(bench.last_event.attachment(*argument->find("payload")), "bytes");
  EXPECT_EQ(bench.last_event.attachment(*argument), std::nullopt);
}

TEST(SocketIoServer, DoesNotTakeUserDataForAnAttachment) {
  Bench bench;
  bench.join(1);
  bench.text(1, R"(42/mqtt,["foo",{"_placeholder":true,"num":0}])");
  EXPECT_EQ(bench.last_event.attachment(*JsonView::parse(bench.last_event.args[0])), std::nullopt);
}

TEST(SocketIoServer, UnderstandsTheSameHoweverTheBytesAreSplit) {
  const std::string bytes = masked_text("40/mqtt,") +
                            masked_text(R"(452-/mqtt,7["foo",{"_placeholder":true,"num":1}])") + masked_binary("a") +
                            masked_binary("b") + masked_text(R"(42/mqtt,["bar"])") + masked_text("41/mqtt,");
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    Bench bench;
    bench.open(1);
    bench.bytes(1, bytes.substr(0, split));
    bench.bytes(1, bytes.substr(split));
    EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt", R"(foo|{"_placeholder":true,"num":1} ack 7)", "bar",
                                         "client namespace disconnect"))
        << split;
  }
}

TEST(SocketIoServer, HandlesConnectAndEventInOnePost) {
  Bench bench;
  bench.request(1, make_request("GET", "EIO=4&transport=polling", "", kPath));
  const std::string query = "EIO=4&transport=polling&sid=" + engineio::sid_in(bench.network.last_body(1));
  bench.request(2, make_request("POST", query,
                                "40/mqtt,\x1e"
                                "42/mqtt,[\"foo\"]",
                                kPath));
  EXPECT_EQ(bench.network.last_body(2), "ok");
  EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt", "foo"));
  bench.server.emit(bench.socket, make_event_frame("/mqtt", "bar", ""));
  bench.turn();
  bench.request(3, make_request("GET", query, "", kPath));
  EXPECT_EQ(bench.network.last_body(3), "40/mqtt,{\"sid\":\"" + bench.server.sid(bench.socket) +
                                            "\"}\x1e"
                                            "42/mqtt,[\"bar\"]");
}

TEST(SocketIoServer, ClosesAsTheTableSays) {
  const char* const rows[] = {
      "40[]",
      "40\"s\"",
      "40null",
      "40/mqtt,",
      "42[\"not joined\"]",
      "41",
      "44/mqtt,{\"message\":\"x\"}",
      "44/mqtt,\"x\"",
      "42/mqtt,[]",
      "42/mqtt,{}",
      "42/mqtt,\"a\"",
      "42/mqtt,[null]",
      "42/mqtt,[{}]",
      "42/mqtt,abc[\"a\"]",
      "42/mqtt,-1[\"a\"]",
      "42/mqtt,[\"connect\"]",
      "42/mqtt,[\"connect_error\"]",
      "42/mqtt,[\"disconnect\"]",
      "42/mqtt,[\"disconnecting\"]",
      "42/mqtt,[\"newListener\"]",
      "42/mqtt,[\"removeListener\"]",
      "43/mqtt,abc[]",
      "43/mqtt,0{}",
      "41/mqtt,{}",
      "450-/mqtt,[\"a\"]",
      "45-/mqtt,[\"a\"]",
      "451/mqtt,[\"a\"]",
      "4511-/mqtt,[\"a\"]",
      "451-/mqtt,[\"a\",{\"_placeholder\":true,\"num\":1}]",
      "4",
      "4abc",
  };
  for (const char* row : rows) {
    Bench bench;
    bench.join(1);
    bench.text(1, row);
    EXPECT_THAT(bench.diary, ElementsAre("forced close")) << row;
    EXPECT_THAT(bench.received(1), ElementsAre("close:1005")) << row;
    EXPECT_EQ(bench.server.connection_count(), 0U);
  }
}

TEST(SocketIoServer, ClosesWhenSomethingComesBeforeAConnect) {
  for (const char* row : {"42/mqtt,[\"a\"]", "41/mqtt,", "43/mqtt,1[]", "4"}) {
    Bench bench;
    bench.open(1);
    bench.text(1, row);
    EXPECT_THAT(bench.received(1), ElementsAre("close:1005")) << row;
  }
}

TEST(SocketIoServer, ClosesAtBadlyOrderedAttachments) {
  for (const std::string& bytes :
       {masked_binary("unannounced"), masked_text("451-/mqtt,[\"a\"]") + masked_text("42/mqtt,[\"a\"]")}) {
    Bench bench;
    bench.join(1);
    bench.bytes(1, bytes);
    EXPECT_THAT(bench.diary, ElementsAre("forced close"));
  }
}

TEST(SocketIoServer, ClosesAMessageWhoseAttachmentsAreTooLarge) {
  Bench bench({.message_bytes_max = 100});
  bench.join(1);
  bench.bytes(
      1, masked_text("452-/mqtt,[\"a\"]") + masked_binary(std::string(80, 'x')) + masked_binary(std::string(80, 'x')));
  EXPECT_THAT(bench.diary, ElementsAre("forced close"));
  EXPECT_THAT(bench.received(1), ElementsAre("close:1009"));
}

TEST(SocketIoServer, IgnoresWhatIsHarmless) {
  Bench bench;
  bench.join(1);
  for (const char* packet : {"42/mqtt,", "43/mqtt,", "43/mqtt,77[]", "43/mqtt,[]"}) bench.text(1, packet);
  EXPECT_THAT(bench.diary, IsEmpty());
  EXPECT_THAT(bench.received(1), IsEmpty());
}

TEST(SocketIoServer, KeepsNamespacesOfOneConnectionApart) {
  Bench bench;
  bench.join(1);
  const SocketId first = bench.socket;
  bench.text(1, "40/other,");
  EXPECT_NE(bench.socket, first);
  bench.text(1, "41/mqtt,");
  EXPECT_EQ(bench.server.emit(first, make_event_frame("/mqtt", "x", "")), EmitResult::gone);
  EXPECT_EQ(bench.server.emit(bench.socket, make_event_frame("/other", "x", "")), EmitResult::queued);
  bench.disconnect(1);
  EXPECT_THAT(bench.diary, ElementsAre("connect /other", "client namespace disconnect", "transport close"));
}

TEST(SocketIoServer, ClosesTheTransportWithoutADisconnectPacket) {
  Bench bench;
  bench.join(1);
  bench.server.emit(bench.socket, make_event_frame("/mqtt", "last", ""));
  bench.server.close_transport(bench.socket, DisconnectReason::server_shutting_down, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre("42/mqtt,[\"last\"]", "close:1005"));
  EXPECT_THAT(bench.diary, ElementsAre("server shutting down"));
}

TEST(SocketIoServer, TellsASlowConsumerWhy) {
  Bench bench;
  bench.join(1);
  bench.server.emit(bench.socket, make_event_frame("/mqtt", "dropped", ""));
  bench.server.close_transport(bench.socket, DisconnectReason::slow_consumer, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre("close:4008slow consumer"));
  EXPECT_THAT(bench.diary, ElementsAre("slow consumer"));
}

TEST(SocketIoServer, SaysWhenAQueueIsFullAndWhenItIsEmptyAgain) {
  Bench bench({.client_queue_bytes_max = 1000});
  bench.join(1);
  bench.network.stuck = {1};
  const Frame frame = make_event_frame("/mqtt", "x", "\"" + std::string(300, 'x') + "\"");
  int queued = 0;
  while (bench.server.emit(bench.socket, frame) == EmitResult::queued) ++queued;
  EXPECT_EQ(queued, 3);
  EXPECT_EQ(bench.server.emit(bench.socket, frame), EmitResult::full);
  EXPECT_EQ(bench.server.queued_bytes(bench.socket), 3 * frame.size());
  bench.server.tell_when_drained(bench.socket);
  bench.turn();
  EXPECT_THAT(bench.diary, IsEmpty());
  bench.network.stuck.clear();
  bench.network.write(1, bench);
  bench.turn();
  EXPECT_THAT(bench.diary, ElementsAre("drained"));
  EXPECT_EQ(bench.received(1).size(), 3U);
}

TEST(SocketIoServer, AsksForAcknowledgements) {
  Bench bench;
  bench.join(1);
  const auto id = bench.server.next_ack_id(bench.socket);
  ASSERT_TRUE(id);
  bench.server.emit(bench.socket, make_event_frame("/mqtt", "question", "", {}, id));
  bench.text(1, "43/mqtt," + std::to_string(*id) + "[\"yes\",1.0]");
  bench.text(1, "43/mqtt," + std::to_string(*id) + "[\"again\"]");
  EXPECT_THAT(bench.diary, ElementsAre("ack 1|\"yes\"|1.0"));
}

TEST(SocketIoServer, BoundsTheAcknowledgementsThatAreDue) {
  Bench bench;
  bench.join(1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(bench.server.next_ack_id(bench.socket));
  EXPECT_FALSE(bench.server.next_ack_id(bench.socket));
}

TEST(SocketIoServer, ClosesAllThatIsLeft) {
  Bench bench;
  bench.join(1);
  bench.open(2);
  bench.server.close_all(DisconnectReason::server_shutting_down, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre("close:1005"));
  EXPECT_THAT(bench.received(2), ElementsAre("close:1005"));
  EXPECT_THAT(bench.diary, ElementsAre("server shutting down"));
}

TEST(SocketIoServer, TellsOfAPingTimeout) {
  Bench bench;
  bench.join(1);
  bench.pass(seconds(46));
  EXPECT_THAT(bench.diary, ElementsAre("ping timeout"));
}

TEST(SocketIoServer, TellsOfGarbageByItsOwnName) {
  Bench bench;
  bench.join(1);
  bench.text(1, "xyz");
  EXPECT_THAT(bench.diary, ElementsAre("parse error"));
}

TEST(SocketIoServer, UsesNoGenerationOfASocketTwice) {
  Bench bench;
  bench.join(1);
  const SocketId first = bench.socket;
  bench.disconnect(1);
  bench.join(2);
  EXPECT_EQ(bench.socket.slot, first.slot);
  EXPECT_EQ(bench.server.emit(first, make_event_frame("/mqtt", "x", "")), EmitResult::gone);
  EXPECT_EQ(bench.server.sid(first), "");
}

TEST(SocketIoServer, ForgetsAnAcknowledgementThatIsNotWaitedForAnyLonger) {
  Bench bench;
  bench.join(1);
  const SocketId socket = bench.server.sockets().front();
  EXPECT_FALSE(bench.server.expect_ack(socket, 5));
  EXPECT_TRUE(bench.server.expect_ack(socket, kSharedAckIds + 5));
  EXPECT_TRUE(bench.server.expect_ack(socket, kSharedAckIds + 6));
  bench.server.forget_ack(socket, kSharedAckIds + 5);
  bench.text(1, "43/mqtt," + std::to_string(kSharedAckIds + 5) + "[]");
  EXPECT_THAT(bench.diary, IsEmpty());
  bench.text(1, "43/mqtt," + std::to_string(kSharedAckIds + 6) + "[]");
  EXPECT_THAT(bench.diary, testing::SizeIs(1));
}

}  // namespace
}  // namespace famemely::socketio
