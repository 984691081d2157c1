#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/engineio/server_bench.hpp"

namespace famemely::engineio {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A session whose probe on connection 9 has been answered.
struct Probing : ServerBench {
  Probing() {
    open_polling();
    probe(9);
    text(9, "2probe");
  }
};

TEST(EngineWebSocket, OpensWithTheOpenPacket) {
  ServerBench bench;
  bench.open_websocket(1);
  EXPECT_THAT(bench.network.accepted, ElementsAre(1));
  ASSERT_EQ(bench.network.received[1].size(), 1U);
  EXPECT_THAT(bench.network.received[1][0], testing::HasSubstr("\"upgrades\":[],\"pingInterval\""));
}

TEST(EngineWebSocket, AcceptsAnUpgradeThatSaysPolling) {
  ServerBench bench;
  bench.upgrade(1, make_upgrade("EIO=4&transport=polling"));
  EXPECT_THAT(bench.network.accepted, ElementsAre(1));
}

TEST(EngineWebSocket, RefusesABadUpgradeBeforeThe101) {
  ServerBench bench;
  bench.upgrade(1, make_upgrade("EIO=4&transport=abc"));
  bench.upgrade(2, make_upgrade("EIO=3&transport=websocket"));
  bench.upgrade(3, make_upgrade("EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA"));
  HttpRequest no_key = make_request("GET", "EIO=4&transport=websocket");
  no_key.fields.add("Connection", "Upgrade");
  no_key.fields.add("Upgrade", "websocket");
  bench.upgrade(4, no_key);
  EXPECT_THAT(bench.network.accepted, IsEmpty());
  EXPECT_EQ(bench.network.last_body(1), R"({"code":0,"message":"Transport unknown"})");
  EXPECT_EQ(bench.network.last_body(2), R"({"code":5,"message":"Unsupported protocol version"})");
  EXPECT_EQ(bench.network.last_body(3), R"({"code":1,"message":"Session ID unknown"})");
  EXPECT_EQ(bench.network.last_body(4), R"({"code":3,"message":"Bad request"})");
}

TEST(EngineWebSocket, TakesTextBinaryAndBase64) {
  ServerBench bench;
  bench.echo = true;
  bench.open_websocket(1);
  bench.bytes(1, masked_text("4hello") + masked_binary("\x01\x02") + masked_text("bAQI="));
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:hello", "binary:\x01\x02", "binary:\x01\x02"));
  bench.network.received[1].erase(bench.network.received[1].begin());
  EXPECT_THAT(bench.network.received[1], ElementsAre("4hello", "binary:\x01\x02", "binary:\x01\x02"));
}

TEST(EngineWebSocket, DeliversTheSameHoweverTheBytesAreSplit) {
  const std::string bytes = masked_text("4first") + masked_binary("second") + masked_text("4third") + masked_text("1");
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    ServerBench bench;
    bench.open_websocket(1);
    bench.bytes(1, bytes.substr(0, split));
    bench.bytes(1, bytes.substr(split));
    EXPECT_THAT(bench.diary,
                ElementsAre("opened", "message:first", "binary:second", "message:third", "transport close"));
  }
}

TEST(EngineWebSocket, WritesTheSameHoweverLittleTheSocketTakes) {
  for (std::size_t bytes = 1; bytes < 20; ++bytes) {
    ServerBench bench;
    bench.network.write_bytes_max = bytes;
    bench.echo = true;
    bench.open_websocket(1);
    bench.bytes(1, masked_text("4hello") + masked_text("4world"));
    EXPECT_EQ(bench.network.received[1].size(), 3U);
    EXPECT_EQ(bench.network.received[1].back(), "4world");
  }
}

TEST(EngineWebSocket, ClosesAsTheTableSays) {
  struct Row {
    std::string bytes;
    const char* reason;
    const char* close_frame;
  };
  std::string client_close;
  websocket::append_close(client_close, 1001, "", kTestKey);
  const Row rows[] = {
      {masked_text("1"), "transport close", "close:1005"},
      {masked_text("2"), "transport error", "close:1005"},
      {masked_text("2probe"), "transport error", "close:1005"},
      {masked_text("abc"), "parse error", "close:1005"},
      {masked_text(""), "parse error", "close:1005"},
      {masked_text("b!"), "parse error", "close:1005"},
      {client_close, "transport close", "close:1001"},
      {std::string("\x81\x01x"), "transport error", "close:1002"},
      {masked_text("4\xFF"), "transport error", "close:1007"},
      {masked_text("4" + std::string(1'000'000, 'x')), "transport error", "close:1009"},
  };
  for (const Row& row : rows) {
    ServerBench bench;
    bench.open_websocket(1);
    bench.bytes(1, row.bytes);
    EXPECT_EQ(bench.diary.back(), row.reason) << row.bytes.substr(0, 20);
    EXPECT_EQ(bench.network.received[1].back(), row.close_frame) << row.bytes.substr(0, 20);
    EXPECT_EQ(bench.server.session_count(), 0U);
  }
}

TEST(EngineWebSocket, IgnoresPacketsWithoutAnOccasion) {
  ServerBench bench;
  bench.open_websocket(1);
  for (const char* packet : {"3", "6", "5", "0", "3probe"}) bench.text(1, packet);
  EXPECT_THAT(bench.diary, ElementsAre("opened"));
}

TEST(EngineWebSocket, AnswersPings) {
  ServerBench bench;
  bench.open_websocket(1);
  std::string ping;
  websocket::append_ping(ping, "are you there", kTestKey);
  bench.bytes(1, ping);
  EXPECT_EQ(bench.network.received[1].back(), "pong:are you there");
}

TEST(EngineWebSocket, WaitsForTheOtherSideToSayGoodbye) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.server.close(bench.session, CloseReason::forced_close, bench.now);
  bench.drain();
  bench.turn();
  EXPECT_EQ(bench.network.received[1].back(), "close:1005");
  EXPECT_FALSE(bench.network.is_closed(1));
  EXPECT_EQ(bench.server.leaving_count(), 1U);
  std::string close;
  websocket::append_close(close, websocket::kCloseNoStatus, "", kTestKey);
  bench.bytes(1, masked_text("4ignored") + close);
  EXPECT_TRUE(bench.network.is_closed(1));
  EXPECT_EQ(bench.server.leaving_count(), 0U);
  EXPECT_THAT(bench.diary, ElementsAre("opened", "forced close"));
}

TEST(EngineWebSocket, SaysWhetherAMessageIsOnItsWay) {
  ServerBench bench;
  bench.open_websocket(1);
  EXPECT_FALSE(bench.server.is_receiving(bench.session));
  const std::string message = masked_text("4hello");
  bench.bytes(1, message.substr(0, 5));
  EXPECT_TRUE(bench.server.is_receiving(bench.session));
  bench.bytes(1, message.substr(5));
  EXPECT_FALSE(bench.server.is_receiving(bench.session));
}

TEST(EngineWebSocket, DoesNotWaitForEver) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.network.stuck = {1};
  bench.server.close(bench.session, CloseReason::forced_close, bench.now);
  bench.drain();
  bench.turn();
  bench.pass(std::chrono::seconds(2));
  EXPECT_FALSE(bench.network.is_closed(1));
  bench.pass(std::chrono::seconds(2));
  EXPECT_TRUE(bench.network.is_closed(1));
  EXPECT_EQ(bench.server.next_deadline(), kNever);
}

TEST(EngineWebSocket, RefusesWhatExceedsTheQueue) {
  ServerBench bench({.client_queue_bytes_max = 300});
  bench.network.stuck = {1};
  bench.open_websocket(1);
  const Frame frame = make_text_frame("4" + std::string(95, 'x'));
  EXPECT_EQ(bench.server.send(bench.session, frame), SendResult::queued);
  EXPECT_EQ(bench.server.send(bench.session, frame), SendResult::full);
  const std::size_t queued = bench.server.queued_bytes(bench.session);
  EXPECT_LE(queued, 300U);
  bench.network.stuck.clear();
  ServerBench::Writer writer = bench.writer();
  bench.network.write(1, writer);
  EXPECT_EQ(bench.server.queued_bytes(bench.session), 0U);
  EXPECT_EQ(bench.server.send(bench.session, frame), SendResult::queued);
}

TEST(EngineWebSocket, SaysOnceThatThereIsSomethingToWrite) {
  ServerBench bench;
  bench.network.stuck = {1};
  bench.open_websocket(1);
  IoEffects io;
  bench.server.send(bench.session, make_text_frame("4x"));
  bench.server.end_of_turn(bench.now, io);
  EXPECT_TRUE(io.empty()) << "the open packet still waits";
}

TEST(EngineWebSocket, TellsWhenTheQueueIsDrained) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.server.send(bench.session, make_text_frame("4x"));
  bench.server.tell_when_drained(bench.session);
  bench.turn();
  EXPECT_THAT(bench.diary, ElementsAre("opened", "drained"));
  bench.server.send(bench.session, make_text_frame("4y"));
  bench.turn();
  EXPECT_THAT(bench.diary, ElementsAre("opened", "drained"));
}

TEST(EngineWebSocket, EndsWithTheConnection) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.disconnect(1);
  EXPECT_THAT(bench.diary, ElementsAre("opened", "transport close"));
  EXPECT_EQ(bench.server.send(bench.session, make_text_frame("4x")), SendResult::gone);
}

TEST(EngineUpgrade, SwitchesAndFlushesOverTheWebSocket) {
  Probing bench;
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe"));
  bench.server.send(bench.session, make_text_frame("4queued"));
  bench.text(9, "5");
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe", "4queued"));
  EXPECT_EQ(bench.server.transport(bench.session), Transport::websocket);
  bench.text(9, "4hello");
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:hello"));
}

TEST(EngineUpgrade, AnswersEveryPollWithANoopOnceTheProbeIsAnswered) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  bench.probe(9);
  EXPECT_TRUE(bench.network.responses[2].empty());
  bench.text(9, "2probe");
  EXPECT_EQ(bench.network.last_body(2), "6");
  bench.poll(3);
  EXPECT_EQ(bench.network.last_body(3), "6");
  bench.poll(4);
  EXPECT_EQ(bench.network.last_body(4), "6");
}

TEST(EngineUpgrade, KeepsPollingUntilItIsDone) {
  Probing bench;
  bench.echo = true;
  bench.post(2,
             "4hello\x1e"
             "6");
  EXPECT_EQ(bench.network.last_body(2), "ok");
  bench.poll(3);
  EXPECT_EQ(bench.network.last_body(3), "4hello");
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe"));
}

TEST(EngineUpgrade, AnswersAPollThatWaitsAtTheSwitch) {
  ServerBench bench;
  bench.open_polling();
  bench.probe(9);
  bench.poll(2);
  bench.bytes(9, masked_text("2probe") + masked_text("5") + masked_text("4after"));
  EXPECT_EQ(bench.network.last_body(2), "6");
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:after"));
}

TEST(EngineUpgrade, RefusesPollsAfterTheSwitch) {
  Probing bench;
  bench.text(9, "5");
  bench.poll(2);
  bench.post(3, "4x");
  EXPECT_EQ(bench.network.last_body(2), R"({"code":3,"message":"Bad request"})");
  EXPECT_EQ(bench.network.last_body(3), R"({"code":3,"message":"Bad request"})");
  EXPECT_TRUE(bench.server.is_open(bench.session));
}

TEST(EngineUpgrade, ClosesASecondWebSocketAndLeavesTheFirst) {
  Probing bench;
  bench.probe(10);
  EXPECT_THAT(bench.network.received[10], ElementsAre("close:1005"));
  bench.text(9, "5");
  bench.probe(11);
  EXPECT_THAT(bench.network.received[11], ElementsAre("close:1005"));
  bench.text(9, "4hello");
  EXPECT_EQ(bench.diary.back(), "message:hello");
}

TEST(EngineUpgrade, ClosesOnlyTheProbeAtAnythingElse) {
  for (const char* text : {"4hello", "5", "2", "1", "", "2probe2"}) {
    ServerBench bench;
    bench.open_polling();
    bench.probe(9);
    bench.text(9, text);
    EXPECT_THAT(bench.network.received[9], ElementsAre("close:1005")) << text;
    EXPECT_TRUE(bench.server.is_open(bench.session));
    bench.probe(10);
    bench.text(10, "2probe");
    EXPECT_THAT(bench.network.received[10], ElementsAre("3probe")) << "another may try";
  }
}

TEST(EngineUpgrade, ClosesOnlyTheProbeWhenItTakesTooLong) {
  Probing bench;
  bench.pass(std::chrono::seconds(11));
  EXPECT_EQ(bench.network.received[9].back(), "close:1005");
  EXPECT_TRUE(bench.server.is_open(bench.session));
  bench.poll(2);
  EXPECT_TRUE(bench.network.responses[2].empty()) << "polls are held again";
  bench.pass(std::chrono::seconds(4));
  EXPECT_TRUE(bench.network.is_closed(9));
}

TEST(EngineUpgrade, SurvivesAProbeThatGoesAway) {
  Probing bench;
  bench.disconnect(9);
  bench.poll(2);
  EXPECT_TRUE(bench.network.responses[2].empty());
  EXPECT_TRUE(bench.server.is_open(bench.session));
}

TEST(EngineUpgrade, ClosesTheProbeWithTheSession) {
  Probing bench;
  bench.post(2, "1");
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe", "close:1005"));
  EXPECT_EQ(bench.diary.back(), "transport close");
}

TEST(EngineUpgrade, FinishesEvenIfTheServerClosesMeanwhile) {
  // JavaScript's client polls no more between the probe's answer and its `5`.
  Probing bench;
  bench.server.send(bench.session, make_text_frame("4last"));
  bench.server.close(bench.session, CloseReason::forced_close, bench.now);
  bench.drain();
  bench.turn();
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe"));
  EXPECT_EQ(bench.server.session_count(), 0U);
  bench.text(9, "5");
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe", "4last", "close:1005"));
  EXPECT_THAT(bench.diary, ElementsAre("opened", "forced close"));
  bench.pass(std::chrono::seconds(4));
  EXPECT_TRUE(bench.network.is_closed(9));
  EXPECT_EQ(bench.server.next_deadline(), kNever);
}

TEST(EngineUpgrade, ClosesTheProbeOfAClosingSessionThatIsPolledOrForgotten) {
  Probing polled;
  polled.server.close(polled.session, CloseReason::forced_close, polled.now);
  polled.drain();
  polled.turn();
  polled.poll(2);
  EXPECT_EQ(polled.network.last_body(2), "1");
  EXPECT_THAT(polled.network.received[9], ElementsAre("3probe", "close:1005"));
  Probing forgotten;
  forgotten.server.close(forgotten.session, CloseReason::forced_close, forgotten.now);
  forgotten.drain();
  forgotten.turn();
  forgotten.pass(std::chrono::seconds(4));
  EXPECT_THAT(forgotten.network.received[9], ElementsAre("3probe", "close:1005"));
  forgotten.pass(std::chrono::seconds(4));
  EXPECT_TRUE(forgotten.network.is_closed(9));
  EXPECT_EQ(forgotten.server.next_deadline(), kNever);
}

TEST(EngineUpgrade, ContinuesAnEventOfWhichThePollsTookAPart) {
  ServerBench bench({.message_bytes_max = 10});
  bench.open_polling();
  std::string frames;
  websocket::append_message(frames, websocket::Opcode::text, "4event");
  websocket::append_message(frames, websocket::Opcode::binary, "attached");
  bench.server.send(bench.session, Frame(SharedBytes(frames)));
  bench.poll(2);
  EXPECT_EQ(bench.network.last_body(2), "4event");
  bench.probe(9);
  bench.bytes(9, masked_text("2probe") + masked_text("5"));
  EXPECT_THAT(bench.network.received[9], ElementsAre("3probe", "binary:attached"));
}

}  // namespace
}  // namespace famemely::engineio
