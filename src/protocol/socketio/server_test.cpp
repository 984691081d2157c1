#include "protocol/socketio/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/engineio/test_bench.hpp"

namespace famemely::socketio {
namespace {

using engineio::make_request;
using engineio::make_upgrade;
using engineio::masked_binary;
using engineio::masked_text;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kPath = "/socket.io/";

/// A server with the namespace /mqtt that accepts who asks, unless told otherwise, and keeps a diary.
class Bench {
 public:
  explicit Bench(Options options = {}) : server(with_namespaces(std::move(options)), random_) {}

  void open(ConnectionId connection) {
    server.on_upgrade(connection, make_upgrade("EIO=4&transport=websocket", kPath), now, effects_);
    turn();
    network.received[connection].clear();
  }
  void join(ConnectionId connection) {
    open(connection);
    text(connection, "40/mqtt,");
    network.received[connection].clear();
    diary.clear();
  }
  void text(ConnectionId connection, std::string_view packet) { bytes(connection, masked_text(packet)); }
  void bytes(ConnectionId connection, std::string data) {
    server.on_websocket_bytes(connection, data, now, effects_);
    turn();
  }
  void request(ConnectionId connection, const HttpRequest& request) {
    server.on_request(connection, request, now, effects_);
    turn();
  }
  void disconnect(ConnectionId connection) {
    server.on_disconnected(connection, now, effects_);
    turn();
  }
  void pass(Duration time) {
    const Instant end = now.instant + time;
    while (server.next_deadline() <= end) {
      now.instant = std::max(now.instant, server.next_deadline());
      server.on_timer(now, effects_);
      turn();
    }
    now.instant = end;
  }
  void turn() {
    do {
      for (ApplicationEffect& effect : std::exchange(effects_.for_application, {}))
        std::visit([&](auto& happened) { note(happened); }, effect);
      server.end_of_turn(now, effects_);
      network.apply(std::exchange(effects_.for_io, {}), *this);
    } while (!effects_.for_application.empty() || !effects_.for_io.empty());
  }

  // What the network asks of a machine.
  std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) {
    return server.gather(connection, pieces);
  }
  bool wrote(ConnectionId connection, std::size_t bytes) { return server.wrote(connection, bytes, now, effects_); }

  std::vector<std::string>& received(ConnectionId connection) { return network.received[connection]; }
  [[nodiscard]] Effects& effects() { return effects_; }

 private:
  static Options with_namespaces(Options options) {
    options.namespaces = {"/mqtt", "/other"};
    return options;
  }
  static std::string list(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += "|" + item;
    return text;
  }

  void note(ConnectRequested& request) {
    diary.push_back("connect " + request.nsp + request.auth_json);
    last_request = request;
    socket = request.socket;
    if (decide) server.accept(request.socket, now, effects_);
  }
  void note(EventReceived& event) {
    diary.push_back(event.name + list(event.args) + (event.ack_id ? " ack " + std::to_string(*event.ack_id) : ""));
    last_event = event;
  }
  void note(AckReceived& ack) { diary.push_back("ack " + std::to_string(ack.ack_id) + list(ack.args)); }
  void note(SocketDisconnected& gone) { diary.emplace_back(to_string(gone.reason)); }
  void note(QueueDrained&) { diary.emplace_back("drained"); }

  engineio::SeededRandom random_;

 public:
  Server server;
  engineio::Network network;
  Now now{Instant(std::chrono::hours(1)), {}};
  bool decide = true;
  SocketId socket;
  std::vector<std::string> diary;
  ConnectRequested last_request;
  EventReceived last_event;

 private:
  Effects effects_;
};

TEST(SocketIoServer, AcceptsAConnectWithAnIdOfItsOwn) {
  Bench bench;
  bench.open(1);
  bench.text(1, R"(40/mqtt,{"token":"x"})");
  EXPECT_THAT(bench.diary, ElementsAre(R"(connect /mqtt{"token":"x"})"));
  const std::string sid = bench.server.sid(bench.socket);
  EXPECT_EQ(sid.size(), 20U);
  EXPECT_THAT(bench.received(1), ElementsAre(R"(40/mqtt,{"sid":")" + sid + R"("})"));
  EXPECT_THAT(bench.server.sockets(), ElementsAre(bench.socket));
}

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

TEST(SocketIoServer, PassesOnWhatTheHandshakeSaid) {
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

TEST(SocketIoServer, PassesOnWhatAClientSaysOfItsLastSession) {
  Bench bench;
  bench.open(1);
  const std::string pid = some_sid().text();
  bench.text(1, R"(40/mqtt,{"token":"x","pid":")" + pid + R"(","offset":"12.3"})");
  ASSERT_TRUE(bench.last_request.recovery);
  EXPECT_EQ(bench.last_request.recovery->pid.text(), pid);
  EXPECT_EQ(bench.last_request.recovery->offset, "12.3");
}

TEST(SocketIoServer, TakesAnUnusableAskingForRecoveryForANewConnection) {
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

TEST(SocketIoServer, GivesASessionBackAfterWhatWasMissed) {
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

TEST(SocketIoServer, LetsAClientInFirstIfItHasMissedMoreThanOneWriteTakes) {
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

TEST(SocketIoServer, CountsAgainOnceWhatWasMissedIsWritten) {
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

TEST(SocketIoServer, RefusesAnUnknownNamespaceAndKeepsTheConnection) {
  Bench bench;
  bench.open(1);
  bench.text(1, "40");
  bench.text(1, "40/x,{}");
  EXPECT_THAT(bench.received(1),
              ElementsAre(R"(44{"message":"Invalid namespace"})", R"(44/x,{"message":"Invalid namespace"})"));
  bench.text(1, "40/mqtt");
  EXPECT_THAT(bench.diary, ElementsAre("connect /mqtt"));
}

TEST(SocketIoServer, RefusesWithDataAndLetsTheClientTryAgain) {
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

TEST(SocketIoServer, ClosesAConnectionThatJoinsNothingInTime) {
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

TEST(SocketIoServer, TellsOfAConnectThatTimesOutUndecided) {
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

TEST(SocketIoServer, KeepsAConnectionThatHasJoined) {
  Bench bench({.connect_timeout = milliseconds(1000)});
  bench.join(1);
  bench.pass(seconds(2));
  EXPECT_THAT(bench.diary, IsEmpty());
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

TEST(SocketIoServer, SaysNothingToAClientThatLeavesANamespace) {
  Bench bench;
  bench.join(1);
  bench.text(1, "41/mqtt,");
  EXPECT_THAT(bench.diary, ElementsAre("client namespace disconnect"));
  EXPECT_THAT(bench.received(1), IsEmpty());
  EXPECT_EQ(bench.server.connection_count(), 1U);
  bench.text(1, "40/mqtt,");
  EXPECT_EQ(bench.server.sockets().size(), 1U);
}

TEST(SocketIoServer, ClosesAClientThatJoinsAgainAndAgainAndReadsNoAnswer) {
  Bench bench({.client_queue_bytes_max = 1000});
  bench.join(1);
  bench.network.stuck.push_back(1);
  for (int i = 0; i < 100; ++i) bench.text(1, i % 2 == 0 ? "41/mqtt," : "40/mqtt,");
  EXPECT_EQ(bench.server.connection_count(), 0U);
  EXPECT_EQ(bench.server.queued_bytes(bench.socket), 0U);
}

TEST(SocketIoServer, ClosesAClientThatIsRefusedAgainAndAgainAndReadsNoAnswer) {
  Bench bench({.client_queue_bytes_max = 1000});
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

TEST(SocketIoServer, DisconnectsFromANamespaceOnly) {
  Bench bench;
  bench.join(1);
  bench.server.disconnect(bench.socket, bench.now, bench.effects());
  bench.turn();
  EXPECT_THAT(bench.received(1), ElementsAre("41/mqtt,"));
  EXPECT_THAT(bench.diary, ElementsAre("server namespace disconnect"));
  EXPECT_EQ(bench.server.connection_count(), 1U);
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

TEST(SocketIoServer, AsksTheApplicationAboutEveryNamespaceThatIsDynamic) {
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

TEST(SocketIoServer, BoundsTheSocketsOfAConnectionWhereNamespacesAreDynamic) {
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
