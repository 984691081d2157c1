#include "protocol/engineio/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/engineio/server_bench.hpp"

namespace famemely::engineio {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

std::vector<std::string> after_open(ServerBench& bench, ConnectionId connection) {
  std::vector<std::string> lines = bench.network.received[connection];
  lines.erase(lines.begin());
  return lines;
}

TEST(EngineHeartbeat, PingsAfterTheIntervalAndNotAtOnce) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.pass(milliseconds(24'990));
  EXPECT_TRUE(after_open(bench, 1).empty());
  bench.pass(milliseconds(20));
  EXPECT_THAT(after_open(bench, 1), ElementsAre("2"));
}

TEST(EngineHeartbeat, PingsAgainAnIntervalAfterThePong) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.pass(milliseconds(25'010));
  bench.pass(seconds(10));
  bench.text(1, "3");
  bench.pass(seconds(24));
  EXPECT_THAT(after_open(bench, 1), ElementsAre("2"));
  bench.pass(milliseconds(1'020));
  EXPECT_THAT(after_open(bench, 1), ElementsAre("2", "2"));
}

TEST(EngineHeartbeat, ClosesWithoutAPong) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.pass(milliseconds(44'990));
  EXPECT_EQ(bench.diary.back(), "opened");
  bench.pass(milliseconds(40));
  EXPECT_EQ(bench.diary.back(), "ping timeout");
  EXPECT_EQ(bench.network.received[1].back(), "close:1005");
}

TEST(EngineHeartbeat, ClosesOverPollingToo) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  bench.pass(milliseconds(25'020));
  EXPECT_EQ(bench.network.last_body(2), "2");
  bench.poll(3);
  bench.pass(milliseconds(20'020));
  EXPECT_EQ(bench.network.last_body(3), "1");
  EXPECT_EQ(bench.diary.back(), "ping timeout");
  EXPECT_EQ(bench.server.next_deadline(), kNever);
}

TEST(EngineHeartbeat, IsExtendedOnceByAnyPacket) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.pass(milliseconds(25'010));
  bench.pass(seconds(19));
  bench.text(1, "4still here");
  bench.pass(seconds(19));
  EXPECT_EQ(bench.diary.back(), "message:still here");
  bench.text(1, "4and again");
  bench.pass(seconds(2));
  EXPECT_EQ(bench.diary.back(), "ping timeout");
}

TEST(EngineHeartbeat, IsNotMovedByUnsolicitedPongs) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.pass(seconds(20));
  bench.text(1, "3");
  bench.pass(milliseconds(5'020));
  EXPECT_THAT(after_open(bench, 1), ElementsAre("2"));
}

TEST(EngineHeartbeat, OvertakesTheQueueOfASlowPoller) {
  ServerBench bench;
  bench.open_polling();
  for (int i = 0; i < 40; ++i) bench.server.send(bench.session, make_text_frame("4x"));
  bench.pass(milliseconds(25'020));
  bench.poll(2);
  EXPECT_TRUE(bench.network.last_body(2).starts_with("2\x1e"));
}

TEST(EngineServer, UsesASlotAgainButNotItsGeneration) {
  ServerBench bench;
  bench.open_websocket(1);
  const SessionId first = bench.session;
  bench.disconnect(1);
  bench.open_websocket(2);
  EXPECT_EQ(bench.session.slot, first.slot);
  EXPECT_NE(bench.session, first);
  EXPECT_FALSE(bench.server.is_open(first));
  EXPECT_EQ(bench.server.send(first, make_text_frame("4x")), SendResult::gone);
  bench.server.close(first, CloseReason::forced_close, bench.now);
  EXPECT_TRUE(bench.server.is_open(bench.session));
}

TEST(EngineServer, KeepsWhatTheHandshakeSaid) {
  SeededRandom random;
  Server server({}, random);
  HttpRequest request = make_request("GET", "EIO=4&transport=polling");
  request.fields.add("authorization", "Bearer x");
  request.fields.add("Origin", "https://example.com");
  IoEffects io;
  const Now now{};
  server.on_request(1, request, now, io);
  const auto event = server.next(now, io);
  const HandshakeInfo& handshake = std::get<SessionOpened>(*event).handshake;
  EXPECT_EQ(handshake.authorization, "Bearer x");
  EXPECT_EQ(handshake.origin, "https://example.com");
  EXPECT_EQ(handshake.remote_address, "192.0.2.1");
}

TEST(EngineServer, DropsTheQueueOfASlowConsumerButNotAFrameThatHasBegun) {
  ServerBench bench;
  bench.open_websocket(1);
  bench.network.stuck = {1};
  bench.server.send(bench.session, make_text_frame("4begun"));
  bench.server.send(bench.session, make_text_frame("4dropped"));
  bench.turn();
  IoEffects io;
  std::array<Piece, 4> pieces;
  ASSERT_EQ(bench.server.gather(1, pieces), 2U);
  std::string written(pieces[0].substr(0, 3));
  EXPECT_TRUE(bench.server.wrote(1, 3, io));
  bench.server.close(bench.session, CloseReason::forced_close, bench.now, Queue::drop, 4008, "slow consumer");
  bench.drain();
  bench.turn();
  const std::size_t count = bench.server.gather(1, pieces);
  for (std::size_t i = 0; i < count; ++i) written += pieces[i];
  std::string expected;
  websocket::append_message(expected, websocket::Opcode::text, "4begun");
  websocket::append_close(expected, 4008, "slow consumer");
  EXPECT_EQ(written, expected);
}

TEST(EngineServer, IsSmallPerSession) { EXPECT_LE(sizeof(Session), 136U); }

}  // namespace
}  // namespace famemely::engineio
