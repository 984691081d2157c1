/// What becomes of a socket whose token ends, is renewed, or covers less than before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "api/socket_events.hpp"
#include "api/testing.hpp"

namespace famemely::api {
namespace {

using gateway::Granted;
using gateway::PermissionPolicy;
using gateway::SubscribeCommand;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kSecret;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// A token of alice that lasts so long from now on.
std::string token_for(const Bench& bench, seconds lifetime, std::string_view user = "alice",
                      std::string_view more_claims = "") {
  const auto now = std::chrono::duration_cast<seconds>(bench.now.wall.time_since_epoch()).count();
  std::string claims = R"({"aud":"authenticated","role":"authenticated","sub":")";
  claims.append(user).append("\",\"exp\":").append(std::to_string(now + lifetime.count()));
  claims.append(more_claims).append("}");
  return jwt::sign_hs256(kSecret, claims);
}

gateway::WorkerOptions with_leeway(std::chrono::seconds recovery_window = {}) {
  gateway::WorkerOptions options;
  options.token_leeway = seconds(10);
  options.recovery_window = recovery_window;
  options.recovery_bytes = 1'000'000;
  options.recovery_bytes_total = 1'000'000;
  return options;
}

/// The bench's tokens are verified without a leeway of their own, so nobody comes in late.
constexpr milliseconds kTick{200};

void subscribe(Bench& bench, socketio::ConnectionId socket, const std::string& filter, gateway::FilterId id) {
  bench.send(socket, R"(42/mqtt,["mqtt:subscribe",{"topic":")" + filter + R"("}])");
  bench.tell(gateway::SubscribeAnswer{bench.asked<SubscribeCommand>().at(0).request,
                                      Granted{.filter = id, .qos = 0, .number = id}});
  bench.received(socket);
}

std::shared_ptr<const PermissionPolicy> allowing(std::initializer_list<std::string_view> topics) {
  gateway::PermissionRules rules;
  gateway::PermissionRule rule{.publish = true, .subscribe = true};
  for (const std::string_view topic : topics) rule.topics.push_back(*gateway::TopicTemplate::parse(topic));
  rules.rules.push_back(std::move(rule));
  return std::make_shared<const PermissionPolicy>(std::move(rules));
}

TEST(TokenExpiry, IsToldAMinuteAheadAndClosesTheTransportAfterTheLeeway) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, seconds(100)));
  bench.pass(seconds(39));
  EXPECT_THAT(bench.received(socket), IsEmpty());
  bench.pass(seconds(1) + kTick);
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:auth:expiring",{"expiresAt":"2027-01-15T08:01:40.000Z"}])"));
  bench.pass(seconds(69));
  EXPECT_THAT(bench.received(socket), IsEmpty());
  bench.pass(seconds(1) + kTick);
  const auto received = bench.received(socket);
  ASSERT_FALSE(received.empty());
  EXPECT_EQ(received[0], R"(42/mqtt,["mqtt:auth:expired",{}])");
  for (const std::string& line : received) EXPECT_THAT(line, ::testing::Not(StartsWith("41"))) << "a DISCONNECT packet";
  EXPECT_THAT(bench.log.of("client disconnected"), ElementsAre(HasSubstr("reason=token expired")));
}

TEST(TokenExpiry, IsToldAtOnceWhereLessIsLeft) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, seconds(5)));
  bench.pass(kTick);
  EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(42/mqtt,["mqtt:auth:expiring")")));
  bench.pass(seconds(5));
  EXPECT_THAT(bench.received(socket), IsEmpty());
}

TEST(TokenExpiry, FollowsAWallClockThatIsSetForward) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, std::chrono::hours(5)));
  bench.now.wall += std::chrono::hours(6);
  bench.pass(std::chrono::minutes(11));
  ASSERT_THAT(bench.received(socket), SizeIs(::testing::Ge(1)));
  EXPECT_THAT(bench.log.of("client disconnected"), SizeIs(1));
}

/// Otherwise a client that came back would be told that its new token has expired.
TEST(TokenExpiry, IsNothingThatARecoveredClientIsToldAgain) {
  Bench bench(with_leeway(seconds(120)));
  const auto socket = bench.join_by(token_for(bench, seconds(61)));
  bench.pass(seconds(1) + kTick);
  const auto expiring = bench.received(socket);
  ASSERT_THAT(expiring, SizeIs(1));
  EXPECT_THAT(expiring[0], StartsWith(R"(42/mqtt,["mqtt:auth:expiring",{"expiresAt":"2027-01-15T08:01:01.000Z"},")"));
}

TEST(TokenRenewal, MovesTheEnd) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, seconds(61)));
  bench.pass(seconds(2));
  bench.received(socket);
  bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + token_for(bench, seconds(1000)) + R"("}])");
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:auth:success",{"expiresAt":"2027-01-15T08:16:42.000Z"}])"));
  bench.pass(seconds(300));
  EXPECT_THAT(bench.received(socket), IsEmpty());
  bench.pass(seconds(641));
  EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(42/mqtt,["mqtt:auth:expiring")")));
}

TEST(TokenRenewal, IsAnsweredByTheAcknowledgementAlone) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  bench.send(socket, R"(42/mqtt,7["mqtt:auth",{"token":")" + token_for(bench, seconds(1000)) + R"("}])");
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(43/mqtt,7[{"success":true,"expiresAt":"2027-01-15T08:16:40.000Z"}])"));
  bench.send(socket, R"(42/mqtt,8["mqtt:auth",{"token":"nonsense"}])");
  const auto refused = bench.received(socket);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_THAT(refused[0], StartsWith(R"(43/mqtt,8[{"success":false,"error":"Token verification failed: )"));
  EXPECT_THAT(refused[0], HasSubstr(R"("statusCode":401})"));
}

TEST(TokenRenewal, IsRefusedForAnotherUser) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + token_for(bench, seconds(1000), "bob") + R"("}])");
  EXPECT_THAT(
      bench.received(socket),
      ElementsAre(R"(42/mqtt,["mqtt:auth:error",{"error":"The token is another user's: sub must stay the same"}])"));
  EXPECT_THAT(bench.log.of("token not renewed"), SizeIs(1));
}

TEST(TokenRenewal, WantsAnObjectWithAToken) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  bench.send(socket, R"(42/mqtt,["mqtt:auth","token"])");
  bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":7}])");
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:auth:error",{"error":"mqtt:auth takes one argument, an object"}])",
                          R"(42/mqtt,["mqtt:auth:error",{"error":"token must be a string"}])"));
}

TEST(TokenRenewal, WithFewerRightsTakesSubscriptionsAway) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, seconds(500), "alice", R"(,"user_role":"admin")"));
  subscribe(bench, socket, "users/bob/#", 1);
  subscribe(bench, socket, "chat/room1", 2);
  bench.asked<gateway::ReleaseCommand>();
  bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + token_for(bench, seconds(1000)) + R"("}])");
  bench.pass({});
  EXPECT_THAT(bench.received(socket),
              ElementsAre(StartsWith(R"(42/mqtt,["mqtt:auth:success")"),
                          R"(42/mqtt,["mqtt:unsubscribed",{"topic":"users/bob/#","reason":"not authorized"}])"));
  const auto released = bench.asked<gateway::ReleaseCommand>();
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].filter, 1U);
}

TEST(TokenRenewal, WithFewerRightsMeetsASubscribeOnItsWay) {
  Bench bench(with_leeway());
  const auto socket = bench.join_by(token_for(bench, seconds(500), "alice", R"(,"user_role":"admin")"));
  bench.send(socket, R"(42/mqtt,1["mqtt:subscribe",{"topic":"users/bob/#"}])");
  bench.send(socket, R"(42/mqtt,2["mqtt:auth",{"token":")" + token_for(bench, seconds(1000)) + R"("}])");
  bench.received(socket);
  bench.tell(gateway::SubscribeAnswer{bench.asked<SubscribeCommand>().at(0).request,
                                      Granted{.filter = 3, .qos = 0, .number = 1}});
  EXPECT_THAT(
      bench.received(socket),
      ElementsAre(
          R"(43/mqtt,1[{"success":false,"error":"Not authorized to subscribe to users/bob/#","statusCode":403}])"));
  EXPECT_THAT(bench.asked<gateway::ReleaseCommand>(), SizeIs(1));
}

TEST(ChangedRules, TakeSubscriptionsAwayAndDecideWhatComes) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  subscribe(bench, socket, "chat/room1", 1);
  subscribe(bench, socket, "news/#", 2);
  bench.tell(gateway::PolicyChanged{allowing({"news/#"})});
  bench.pass({});
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:unsubscribed",{"topic":"chat/room1","reason":"not authorized"}])"));
  bench.send(socket, R"(42/mqtt,1["mqtt:publish",{"topic":"chat/room1","payload":1}])");
  EXPECT_THAT(bench.received(socket), ElementsAre(HasSubstr(R"("statusCode":403)")));
  EXPECT_THAT(bench.answer_to("POST", "/mqtt/publish", R"({"topic":"chat/room1","payload":1})"), StartsWith("403 "));
}

/// Permissions that take their time: many topics with placeholders, and the one that matters.
std::shared_ptr<const PermissionPolicy> laborious(std::string_view topic) {
  gateway::PermissionRules rules;
  gateway::PermissionRule rule{.publish = true, .subscribe = true};
  for (int i = 0; i < 400; ++i) rule.topics.push_back(*gateway::TopicTemplate::parse("own/{sub}/" + std::to_string(i)));
  rule.topics.push_back(*gateway::TopicTemplate::parse(topic));
  rules.rules.push_back(std::move(rule));
  return std::make_shared<const PermissionPolicy>(std::move(rules));
}

TEST(ChangedRules, ComeToManySocketsInTime) {
  Bench bench(with_leeway());
  std::vector<socketio::ConnectionId> sockets;
  for (gateway::FilterId i = 1; i <= 50; ++i) {
    sockets.push_back(bench.join("user" + std::to_string(i)));
    subscribe(bench, sockets.back(), "chat/" + std::to_string(i), i);
  }
  bench.tell(gateway::PolicyChanged{laborious("news/#")});
  std::size_t told = 0;
  const auto count = [&] {
    for (const auto socket : sockets) told += bench.received(socket).size();
    return told;
  };
  bench.pass(milliseconds(1));
  EXPECT_GT(count(), 0U);
  EXPECT_LT(count(), 10U);
  for (int i = 0; i < 50; ++i) bench.pass(milliseconds(1));
  EXPECT_EQ(count(), 50U);
  EXPECT_EQ(bench.log.of("subscription revoked").size(), 50U);
}

/// Neither can it take others' time, nor keep what it has no right to any more.
TEST(TokenRenewal, AgainAndAgainIsLookedAtInSlices) {
  Bench bench(with_leeway());
  auto renew = [&, n = 0](socketio::ConnectionId socket) mutable {
    bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + token_for(bench, seconds(1000 + ++n)) + R"("}])");
  };
  const auto socket = bench.join("alice");
  const auto other = bench.join("bob");
  std::size_t revoked = 0;
  const auto newly_revoked = [&] {
    const auto received = bench.received(socket);
    const auto count = static_cast<std::size_t>(
        std::ranges::count_if(received, [](const std::string& text) { return text.contains("mqtt:unsubscribed"); }));
    revoked += count;
    return count;
  };
  for (gateway::FilterId i = 1; i <= 600; ++i) subscribe(bench, socket, "chat/" + std::to_string(i), i);
  subscribe(bench, other, "chat/x", 601);
  bench.tell(gateway::PolicyChanged{laborious("news/#")});
  for (int i = 0; i < 2; ++i) bench.pass(milliseconds(1));
  EXPECT_THAT(bench.received(other), ElementsAre(HasSubstr("mqtt:unsubscribed"))) << "waits for nobody's 600";
  EXPECT_LT(newly_revoked(), 300U);
  for (int i = 0; i < 10; ++i) {
    for (int k = 0; k < 5; ++k) renew(socket);
    EXPECT_EQ(newly_revoked(), 0U);
    bench.pass(milliseconds(1));
    EXPECT_LT(newly_revoked(), 150U);
  }
  EXPECT_EQ(revoked, 600U);
}

TEST(TokenRenewal, WithTheSameEndIsToldOfItOnce) {
  Bench bench(with_leeway());
  const std::string token = token_for(bench, seconds(61));
  const auto socket = bench.join_by(token);
  bench.pass(seconds(2));
  EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(42/mqtt,["mqtt:auth:expiring")")));
  for (int i = 0; i < 3; ++i) {
    bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + token + R"("}])");
    bench.pass(kTick);
    EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(42/mqtt,["mqtt:auth:success")")));
  }
}

/// It stays the user's: it comes and goes with the rights of each socket.
TEST(ChangedRules, SuspendAUsersSubscription) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  bench.tell(gateway::UserSubscribed{std::make_shared<const gateway::UserSubscription>(gateway::UserSubscription{
                                         "by-rest", "alice", *mqtt::TopicFilter::parse("chat/#"), 0, bench.now.wall}),
                                     Granted{.filter = 5, .qos = 0, .number = 1}});
  bench.asked<gateway::RetainedCommand>();
  bench.tell(gateway::PolicyChanged{allowing({"news/#"})});
  bench.pass({});
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:unsubscribed",{"topic":"chat/#","reason":"not authorized"}])"));
  bench.send(socket, R"(42/mqtt,["mqtt:subscriptions"])");
  EXPECT_THAT(bench.received(socket), ElementsAre(R"(42/mqtt,["mqtt:subscriptions",[]])"));
  EXPECT_THAT(bench.asked<gateway::ReleaseCommand>(), IsEmpty());
  bench.tell(gateway::PolicyChanged{allowing({"#"})});
  bench.pass({});
  EXPECT_THAT(bench.asked<gateway::RetainedCommand>(), SizeIs(1)) << "as a new subscription";
  bench.send(socket, R"(42/mqtt,["mqtt:subscriptions"])");
  EXPECT_THAT(bench.received(socket), ElementsAre(HasSubstr(R"("topic":"chat/#")")));
}

TEST(WithdrawnKeys, EndSocketsAfterAGrace) {
  bool accepted = true;
  gateway::WorkerOptions options = with_leeway();
  options.still_accepts = [&](const gateway::Identity&) { return accepted; };
  Bench bench(options);
  const auto socket = bench.join("alice");
  accepted = false;
  bench.tell(gateway::KeysChanged{});
  bench.pass(kTick);
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:auth:expiring",{"expiresAt":"2027-01-15T08:00:30.000Z"}])"));
  bench.tell(gateway::KeysChanged{});
  bench.pass(seconds(29));
  EXPECT_THAT(bench.received(socket), IsEmpty());
  bench.pass(seconds(1));
  const auto received = bench.received(socket);
  ASSERT_FALSE(received.empty());
  EXPECT_EQ(received[0], R"(42/mqtt,["mqtt:auth:expired",{}])");
}

TEST(WithdrawnKeys, ThatAreBackInTimeEndNothing) {
  bool accepted = true;
  gateway::WorkerOptions options = with_leeway();
  options.still_accepts = [&](const gateway::Identity&) { return accepted; };
  Bench bench(options);
  const auto socket = bench.join("alice");
  accepted = false;
  bench.tell(gateway::KeysChanged{});
  bench.pass(seconds(20));
  accepted = true;
  bench.tell(gateway::KeysChanged{});
  bench.received(socket);
  bench.pass(seconds(60));
  EXPECT_THAT(bench.received(socket), IsEmpty());
}

TEST(Audit, SaysWhoDidWhatFromWhereAndWhyNot) {
  Bench bench(with_leeway());
  const auto socket = bench.join("alice");
  bench.send(socket, R"(42/mqtt,["mqtt:publish",{"topic":"users/bob/x","payload":1}])");
  bench.send(socket, R"(42/mqtt,["mqtt:subscribe",{"topic":"chat/#","qos":1}])");
  EXPECT_THAT(bench.log.of("denied"),
              ElementsAre(HasSubstr(" user=alice remote=192.0.2.1 operation=mqtt:publish topic=users/bob/x "
                                    "reason=rule 4 of the built-in policy")));
  EXPECT_THAT(bench.log.of("subscribe"), ElementsAre(HasSubstr(" user=alice remote=192.0.2.1 topic=chat/# qos=1")));
  const std::string good = token_for(bench, seconds(100));
  bench.send(socket, R"(42/mqtt,["mqtt:auth",{"token":")" + good + R"("}])");
  EXPECT_THAT(bench.log.of("token renewed"), SizeIs(1));
  bench.tell(gateway::PolicyChanged{allowing({"news/#"})});
  bench.pass({});
  bench.ask("POST", "/mqtt/subscribe", R"({"topic":"chat/#"})");
  EXPECT_THAT(bench.log.of("denied").back(), HasSubstr("operation=/mqtt/subscribe topic=chat/# reason=no rule"));
  bench.ask("GET", "/mqtt/status", "", "");
  EXPECT_THAT(bench.log.of("request refused"), ElementsAre(HasSubstr("reason=No token provided")));
  for (const std::string& line : bench.log.lines) EXPECT_THAT(line, ::testing::Not(HasSubstr(good))) << "a secret";
}

std::size_t end_sessions(Bench& bench, gateway::Whose whose) {
  bench.tell(gateway::EndSessions{1, std::make_shared<const gateway::Whose>(std::move(whose))});
  const auto replies = bench.asked<gateway::EndSessionsReply>();
  return replies.size() == 1 ? replies[0].sockets : 99;
}

TEST(EndedSessions, GetADisconnectPacketAndLoseTheirConnection) {
  Bench bench(with_leeway(seconds(120)));
  const auto first = bench.join("alice");
  const auto second = bench.join("alice");
  const auto other = bench.join("bob");
  EXPECT_EQ(end_sessions(bench, {.user_id = "alice"}), 2U);
  for (const auto socket : {first, second}) EXPECT_EQ(bench.received(socket).at(0), "41/mqtt,");
  EXPECT_THAT(bench.received(other), IsEmpty());
  EXPECT_THAT(bench.log.of("client disconnected"), SizeIs(2));
  EXPECT_EQ(end_sessions(bench, {.user_id = "alice"}), 0U);
}

TEST(EndedSessions, AreThoseOfOneSignIn) {
  Bench bench(with_leeway());
  const auto phone = bench.join_by(token_for(bench, seconds(500), "alice", R"(,"session_id":"phone")"));
  const auto laptop = bench.join_by(token_for(bench, seconds(500), "alice", R"(,"session_id":"laptop")"));
  const auto none = bench.join("alice");
  EXPECT_EQ(end_sessions(bench, {.session_id = "phone"}), 1U);
  EXPECT_EQ(bench.received(phone).at(0), "41/mqtt,");
  EXPECT_THAT(bench.received(laptop), IsEmpty());
  EXPECT_THAT(bench.received(none), IsEmpty());
}

TEST(EndedSessions, AreNotKept) {
  Bench bench(with_leeway(seconds(120)));
  const auto socket = bench.join("alice");
  subscribe(bench, socket, "chat/room1", 1);
  bench.leave(socket);
  EXPECT_THAT(bench.asked<gateway::ReleaseCommand>(), IsEmpty()) << "it may come back";
  bench.tell(gateway::EndSessions{1, std::make_shared<const gateway::Whose>(gateway::Whose{.user_id = "alice"})});
  EXPECT_THAT(bench.asked<gateway::ReleaseCommand>(), SizeIs(1));
}

TEST(SocketEventsAccess, WhoNeverWasInDoesNotLeave) {
  Bench bench;
  const auto socket = bench.open();
  const std::string connect = engineio::masked_text(R"(40/mqtt,{"token":"bad"})");
  bench.send_bytes(socket, connect + connect);  // the second before the first has its answer: both end
  EXPECT_THAT(bench.received(socket), ElementsAre("close:1005"));
  EXPECT_THAT(bench.log.of("client disconnected"), IsEmpty());
}

}  // namespace
}  // namespace famemely::api
