#include "protocol/socketio/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/socketio/server_bench.hpp"

namespace famemely::socketio {
namespace {

using engineio::make_upgrade;
using engineio::masked_text;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Bench = ServerBench;

TEST(SocketIoJoining, AcceptsAConnectWithAnIdOfItsOwn) {
  Bench bench;
  bench.open(1);
  bench.text(1, R"(40/mqtt,{"token":"x"})");
  EXPECT_THAT(bench.diary, ElementsAre(R"(connect /mqtt{"token":"x"})"));
  const std::string sid = bench.server.sid(bench.socket);
  EXPECT_EQ(sid.size(), 20U);
  EXPECT_THAT(bench.received(1), ElementsAre(R"(40/mqtt,{"sid":")" + sid + R"("})"));
  EXPECT_THAT(bench.server.sockets(), ElementsAre(bench.socket));
}

TEST(SocketIoJoining, PassesOnWhatTheHandshakeSaid) {
  Bench bench;
  HttpRequest request = make_upgrade("EIO=4&transport=websocket", kPath);
  request.fields.add("Authorization", "Bearer t");
  request.fields.add("Origin", "https://a.example");
  bench.server.on_upgrade(1, request, bench.now, bench.effects());
  bench.turn();
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(bench.last_request.handshake.authorization, "Bearer t");
  EXPECT_EQ(bench.last_request.handshake.origin, "https://a.example");
  EXPECT_EQ(bench.last_request.handshake.remote_address, "192.0.2.1");
  EXPECT_EQ(bench.last_request.transport, Transport::websocket);
}

engineio::Sid some_sid() {
  engineio::SeededRandom random;
  return engineio::Sid::make(random, 3);
}

TEST(SocketIoJoining, PassesOnWhatAClientSaysOfItsLastSession) {
  Bench bench;
  bench.open(1);
  const std::string pid = some_sid().text();
  bench.text(1, R"(40/mqtt,{"token":"x","pid":")" + pid + R"(","offset":"12.3"})");
  ASSERT_TRUE(bench.last_request.recovery);
  EXPECT_EQ(bench.last_request.recovery->pid.text(), pid);
  EXPECT_EQ(bench.last_request.recovery->offset, "12.3");
}

TEST(SocketIoJoining, TakesAnUnusableAskingForRecoveryForANewConnection) {
  const std::string pid = some_sid().text();
  for (const std::string& auth :
       {std::string(R"({"offset":"1"})"), R"({"pid":")" + pid + R"("})", R"({"pid":")" + pid + R"(","offset":1})",
        std::string(R"({"pid":7,"offset":"1"})"), std::string(R"({"pid":"short","offset":"1"})"),
        R"({"pid":")" + pid + R"(","offset":")" + std::string(65, '1') + R"("})"}) {
    Bench bench;
    bench.open(1);
    bench.text(1, "40/mqtt," + auth);
    EXPECT_FALSE(bench.last_request.recovery) << auth;
    EXPECT_EQ(bench.server.sockets().size(), 1U);
  }
}

TEST(SocketIoJoining, GivesASessionBackAfterWhatWasMissed) {
  Bench bench({.client_queue_bytes_max = 120});
  bench.decide = false;
  bench.open(1);
  bench.text(1, "40/mqtt,");
  const engineio::Sid sid = some_sid();
  const Frame missed[] = {make_event_frame("/mqtt", "m", R"(1,"1")"), make_event_frame("/mqtt", "m", R"(2,"2")")};
  bench.server.accept(bench.socket, bench.now, bench.effects(), {.sid = sid, .pid = sid, .missed = missed});
  // What was missed does not take the room of what is new.
  EXPECT_EQ(bench.server.emit(bench.socket, make_event_frame("/mqtt", "m", R"(3,"3")")), EmitResult::queued);
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre(R"(42/mqtt,["m",1,"1"])", R"(42/mqtt,["m",2,"2"])",
                                             R"(40/mqtt,{"sid":")" + sid.text() + R"(","pid":")" + sid.text() + R"("})",
                                             R"(42/mqtt,["m",3,"3"])"));
  EXPECT_EQ(bench.server.sid(bench.socket), sid.text());
}

TEST(SocketIoJoining, LetsAClientInFirstIfItHasMissedMoreThanOneWriteTakes) {
  Bench bench;
  bench.decide = false;
  bench.open(1);
  bench.text(1, "40/mqtt,");
  const std::vector<Frame> missed(49, make_event_frame("/mqtt", "m", R"("1")"));
  bench.server.accept(bench.socket, bench.now, bench.effects(), {.missed = missed});
  bench.turn();
  ASSERT_EQ(bench.received(1).size(), 50U);
  EXPECT_TRUE(bench.received(1).front().starts_with("40/mqtt,"));
  EXPECT_EQ(bench.received(1).back(), R"(42/mqtt,["m","1"])");
}

TEST(SocketIoJoining, CountsAgainOnceWhatWasMissedIsWritten) {
  Bench bench({.client_queue_bytes_max = 100});
  bench.decide = false;
  bench.open(1);
  bench.text(1, "40/mqtt,");
  const Frame large = make_event_frame("/mqtt", "m", '"' + std::string(200, 'x') + '"');
  const Frame small = make_event_frame("/mqtt", "m", '"' + std::string(50, 'x') + '"');
  bench.server.accept(bench.socket, bench.now, bench.effects(), {.missed = {&large, 1}});
  EXPECT_EQ(bench.server.emit(bench.socket, large), EmitResult::full);
  bench.turn();
  EXPECT_EQ(bench.server.emit(bench.socket, small), EmitResult::queued);
  EXPECT_EQ(bench.server.emit(bench.socket, small), EmitResult::full);
}

TEST(SocketIoJoining, RefusesAnUnknownNamespaceAndKeepsTheConnection) {
  Bench bench;
  bench.open(1);
  bench.text(1, "40");
  bench.text(1, "40/x,{}");
  EXPECT_THAT(bench.received(1),
              ElementsAre(R"(44{"message":"Invalid namespace"})", R"(44/x,{"message":"Invalid namespace"})"));
  bench.text(1, "40/mqtt");
  EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt"));
}

TEST(SocketIoJoining, RefusesWithDataAndLetsTheClientTryAgain) {
  Bench bench;
  bench.decide = false;
  bench.open(1);
  bench.text(1, "40/mqtt,");
  bench.server.refuse(bench.socket, "No token provided", R"({"statusCode":401})");
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre(R"(44/mqtt,{"message":"No token provided","data":{"statusCode":401}})"));
  bench.decide = true;
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(bench.server.sockets().size(), 1U);
  EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt", "connect /mqtt"));
}

TEST(SocketIoJoining, ClosesAConnectionThatJoinsNothingInTime) {
  Bench bench;
  bench.open(1);
  bench.text(1, "40/x,");
  bench.pass(milliseconds(24'900));
  bench.pass(milliseconds(200));
  bench.text(1, "3");
  bench.pass(milliseconds(19'850));
  EXPECT_NE(bench.received(1).back(), "close:1005");
  bench.pass(milliseconds(100));
  EXPECT_EQ(bench.received(1).back(), "close:1005");
}

TEST(SocketIoJoining, TellsOfAConnectThatTimesOutUndecided) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.decide = false;
  bench.open(1);
  bench.text(1, "40/mqtt,");
  bench.pass(milliseconds(1020));
  EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt", "forced close"));
  bench.server.accept(bench.socket, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.server.sockets(), IsEmpty());
}

TEST(SocketIoJoining, KeepsAConnectionThatHasJoined) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.join(1);
  bench.pass(seconds(2));
  EXPECT_THAT(bench.diary, IsEmpty());
}

TEST(SocketIoJoining, SaysNothingToAClientThatLeavesANamespace) {
  Bench bench;
  bench.join(1);
  bench.text(1, "41/mqtt,");
  EXPECT_THAT(bench.diary, ElementsAre("client namespace disconnect"));
  EXPECT_THAT(bench.received(1), IsEmpty());
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(bench.server.sockets().size(), 1U);
}

TEST(SocketIoJoining, ClosesAClientThatJoinsAgainAndAgainAndReadsNoAnswer) {
  Bench bench({.client_queue_bytes_max = 1000});
  bench.join(1);
  bench.network.stuck.push_back(1);
  for (int i = 0; i < 100; ++i) bench.text(1, i % 2 == 0 ? "41/mqtt," : "40/mqtt,");
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.server.queued_bytes(bench.socket), 0U);
}

TEST(SocketIoJoining, ClosesAClientThatIsRefusedAgainAndAgainAndReadsNoAnswer) {
  Bench bench({.refusals_max = 1000, .client_queue_bytes_max = 1000});
  bench.join(1);
  bench.network.stuck.push_back(1);
  bench.decide = false;
  for (int i = 0; i < 100; ++i) {
    bench.text(1, "40/other,");
    bench.server.refuse(bench.socket, "not here");
  }
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.diary.back(), "slow consumer");
}

TEST(SocketIoJoining, ClosesAClientThatIsRefusedTooOftenInARow) {
  LimitCounters counters;
  Bench bench({.refusals_max = 2, .limit_counters = &counters});
  bench.decide = false;
  bench.open(1);
  const auto be_refused = [&] {
    bench.text(1, "40/mqtt,");
    bench.server.refuse(bench.socket, "no");
    bench.turn();
  };
  be_refused();
  bench.text(1, "40/mqtt,");
  bench.server.accept(bench.socket, bench.now, bench.effects());
  bench.text(1, "41/mqtt,");
  be_refused();
  be_refused();
  EXPECT_EQ(bench.server.connection_count(), 1U);
  EXPECT_EQ(counters.of(Limit::refusals_per_connection), 0U);
  bench.received(1).clear();
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(
      bench.received(1).front(),
      R"(44/mqtt,{"message":"Too many refused attempts: a connection may have 2 in a row","data":{"statusCode":429}})");
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(counters.of(Limit::refusals_per_connection), 1U);
}

TEST(SocketIoJoining, CountsAttemptsThatTheApplicationRefusesByAnEvent) {
  Bench bench({.refusals_max = 2});
  bench.join(1);
  const auto note = [&](bool good) {
    bench.server.note_attempt(bench.socket, good, bench.now, bench.effects());
    bench.turn();
  };
  note(false);
  note(false);
  note(true);
  note(false);
  note(false);
  EXPECT_EQ(bench.server.connection_count(), 1U);
  note(false);
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.diary.back(), "forced close");
}

/// Lets every connection in, and so many requests after that.
class Doorkeeper final : public engineio::Admission {
 public:
  [[nodiscard]] Result<Place, Refusal> admit(std::string_view, Instant) override { return Place(); }
  [[nodiscard]] std::optional<Refusal> refuse_request(std::string_view remote_address, Instant) override {
    asked_for = remote_address;
    if (requests-- > 0) return std::nullopt;
    return Refusal{429, "Too \"many\""};
  }

  int requests = 1;
  std::string asked_for;
};

TEST(SocketIoJoining, CountsEveryConnectButTheFirstAsARequest) {
  Doorkeeper door;
  Bench bench({.admission = &door});
  bench.open(1);
  bench.text(1, "40/mqtt,");  // comes with the request that opened the connection
  bench.text(1, "41/mqtt,");
  bench.text(1, "40/mqtt,");
  bench.text(1, "41/mqtt,");
  bench.received(1).clear();
  bench.diary.clear();
  bench.text(1, "40/mqtt,");
  EXPECT_THAT(bench.received(1), ElementsAre(R"(44/mqtt,{"message":"Too \"many\"","data":{"statusCode":429}})"));
  EXPECT_THAT(bench.diary, ElementsAre("refused: Too \"many\""));
}

TEST(SocketIoJoining, WhoLeavesBeforeTheAnswerCountsAsRefused) {
  Bench bench({.refusals_max = 3});
  bench.decide = false;
  bench.open(1);
  for (int i = 0; i < 3; ++i) bench.bytes(1, masked_text("40/mqtt,") + masked_text("41/mqtt,"));
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(SocketIoJoining, ClosesAClientThatHasLeftItsLastNamespaceLongAgo) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.join(1);
  bench.text(1, "40/other,");
  bench.pass(milliseconds(900));
  bench.text(1, "41/mqtt,");
  bench.pass(seconds(2));
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.text(1, "41/other,");
  bench.pass(milliseconds(900));
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.pass(milliseconds(200));
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(SocketIoJoining, ClosesAClientThatWasDisconnectedFromItsNamespaceLongAgo) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.join(1);
  bench.server.disconnect(bench.socket, bench.now, bench.effects());
  bench.turn();
  bench.pass(milliseconds(1100));
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(SocketIoJoining, DoesNotWaitLongerForWhoLeavesWithoutHavingJoined) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.decide = false;
  bench.open(1);
  bench.pass(milliseconds(900));
  bench.text(1, "40/mqtt,");
  bench.text(1, "41/mqtt,");
  bench.pass(milliseconds(200));
  EXPECT_EQ(bench.server.connection_count(), 0U);
}

TEST(SocketIoJoining, DisconnectsFromANamespaceOnly) {
  Bench bench;
  bench.join(1);
  bench.server.disconnect(bench.socket, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre("41/mqtt,"));
  EXPECT_THAT(bench.diary, ElementsAre("server namespace disconnect"));
  EXPECT_EQ(bench.server.connection_count(), 1U);
}

TEST(SocketIoJoining, AsksTheApplicationAboutEveryNamespaceThatIsDynamic) {
  Options options;
  options.dynamic_namespaces = true;
  Bench bench(options);
  bench.open(1);
  bench.text(1, "40/orders-7,{\"a\":1}");
  EXPECT_THAT(bench.diary, ElementsAre("connect /orders-7{\"a\":1}"));
  bench.diary.clear();
  bench.text(1, "42/orders-7,[\"hi\"]");
  EXPECT_THAT(bench.diary, testing::SizeIs(1));
}

TEST(SocketIoJoining, BoundsTheSocketsOfAConnectionWhereNamespacesAreDynamic) {
  Options options;
  options.dynamic_namespaces = true;
  Bench bench(options);
  bench.open(1);
  for (int i = 0; i < 100; ++i) bench.text(1, "40/n" + std::to_string(i) + ",");
  bench.received(1).clear();
  bench.text(1, "40/one-more,");
  EXPECT_THAT(bench.received(1), ElementsAre("44/one-more,{\"message\":\"Invalid namespace\"}"));
  bench.text(1, "41/n5,");
  bench.received(1).clear();
  bench.text(1, "40/one-more,");
  EXPECT_THAT(bench.received(1), ElementsAre(testing::StartsWith("40/one-more,{\"sid\"")));
}

}  // namespace
}  // namespace famemely::socketio
