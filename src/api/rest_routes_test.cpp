#include "api/rest_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.hpp"

namespace famemely::api {
namespace {

using gateway::PublishCommand;
using gateway::SurveyCommand;
using gateway::UserSubscribeCommand;
using gateway::UserUnsubscribeCommand;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kTime = "2027-01-15T08:00:00.000Z";

std::string error(int status, std::string_view message, std::string_view reason) {
  return std::to_string(status) + R"( {"statusCode":)" + std::to_string(status) + R"(,"message":)" +
         std::string(message) + R"(,"error":")" + std::string(reason) + "\"}";
}

// --- who gets where ---

TEST(RestRoutes, AnUnknownRouteIs404WithoutAskingForAToken) {
  Bench bench;
  EXPECT_EQ(bench.answer_to("GET", "/nope?token=x", "", ""), error(404, "\"Cannot GET /nope\"", "Not Found"));
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/status", "", ""), error(404, "\"Cannot POST /mqtt/status\"", "Not Found"));
}

TEST(RestRoutes, EveryRouteButHealthNeedsAToken) {
  for (const Route& route : kRoutes) {
    Bench bench;
    const auto connection = bench.ask(std::string(route.method), std::string(route.path), "{}", "");
    if (route.access == Access::everybody) {
      EXPECT_THAT(bench.answer(connection), StartsWith("200 ")) << route.path;
      continue;
    }
    EXPECT_EQ(bench.answer(connection), error(401, "\"No token provided\"", "Unauthorized")) << route.path;
    EXPECT_EQ(bench.field(connection, "WWW-Authenticate"), "Bearer") << route.path;
  }
}

TEST(RestRoutes, ARefusedTokenNeverComesToTheBody) {
  Bench bench;
  HttpFields fields;
  fields.add("Authorization", "Bearer nonsense");
  const auto connection = bench.ask("POST", "/mqtt/publish", "not json", "", std::move(fields));
  EXPECT_THAT(bench.answer(connection), HasSubstr(R"("message":"Token verification failed: )"));
  EXPECT_EQ(bench.field(connection, "WWW-Authenticate"), "Bearer");
}

TEST(RestRoutes, ABackendsKeyIsRefusedToAPage) {
  const std::string key =
      "Bearer " + jwt::sign_hs256(testing::kSecret, R"({"role":"service_role","iss":"supabase","exp":1800003600})");
  Bench bench;
  HttpFields backend;
  backend.add("Authorization", key);
  EXPECT_THAT(bench.answer(bench.ask("GET", "/mqtt/status", "", "", backend)), StartsWith("200 "));
  HttpFields page = backend;
  page.add("Origin", "http://localhost:3000");
  EXPECT_THAT(bench.answer(bench.ask("GET", "/mqtt/status", "", "", page)), StartsWith("401 "));
}

TEST(RestRoutes, OnlyAdministratorsSeeEverybodysSubscriptions) {
  Bench bench;
  EXPECT_EQ(bench.answer_to("GET", "/mqtt/subscriptions/all"), error(403, "\"Forbidden resource\"", "Forbidden"));
  EXPECT_THAT(bench.asked<SurveyCommand>(), IsEmpty());
  bench.ask("GET", "/mqtt/subscriptions/all", "", "root");
  const auto asked = bench.asked<SurveyCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_TRUE(asked[0].scope.subscriptions);
  EXPECT_EQ(asked[0].scope.user_id, std::nullopt);
}

TEST(RestRoutes, TheOwnListIsAskedForOneself) {
  Bench bench;
  bench.ask("GET", "/mqtt/subscriptions");
  EXPECT_EQ(bench.asked<SurveyCommand>().at(0).scope.user_id, "alice");
}

TEST(RestRoutes, PermissionsAreDecidedBeforeAnythingIsAsked) {
  Bench bench;
  const auto refusal = [](std::string_view what) {
    return error(403, "\"Not authorized to " + std::string(what) + "\"", "Forbidden");
  };
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/publish", R"({"topic":"users/bob/x","payload":1})"),
            refusal("publish to users/bob/x"));
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/broadcast", R"({"topic":"app/broadcast/x","message":{}})"),
            refusal("publish to app/broadcast/x"));
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/subscribe", R"({"topic":"#"})"), refusal("subscribe to #"));
  EXPECT_THAT(bench.asked<PublishCommand>(), IsEmpty());
}

// --- publishing ---

TEST(RestRoutes, APublishIsAnsweredWhenTheBrokerHasTakenIt) {
  Bench bench;
  const auto connection = bench.ask("POST", "/mqtt/publish", R"({"topic":"a/b","payload":{"n":1.10},"qos":1})");
  EXPECT_EQ(bench.answer(connection), "");
  EXPECT_FALSE(bench.idle());
  const auto asked = bench.asked<PublishCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].message.payload, R"({"n":1.10})");
  EXPECT_EQ(asked[0].message.qos, 1);
  bench.tell(gateway::PublishAnswer{asked[0].request, std::nullopt});
  EXPECT_EQ(bench.answer(connection),
            std::string(R"(200 {"success":true,"topic":"a/b","timestamp":")") + kTime + "\"}");
  EXPECT_TRUE(bench.idle());
}

TEST(RestRoutes, WhatTheBrokerSaysBecomesTheStatus) {
  for (const auto& [code, status] : {std::pair{ErrorCode::broker_refused, 502},
                                     {ErrorCode::unavailable, 503},
                                     {ErrorCode::broker_timeout, 504},
                                     {ErrorCode::payload_too_large, 413}}) {
    Bench bench;
    const auto connection = bench.ask("POST", "/mqtt/publish", R"({"topic":"a","payload":1})");
    bench.tell(gateway::PublishAnswer{bench.asked<PublishCommand>().at(0).request, Error{code, "so it is"}});
    EXPECT_THAT(bench.answer(connection), StartsWith(std::to_string(status) + " "));
    EXPECT_EQ(bench.field(connection, "Retry-After"), status == 503 ? "1" : "");
  }
}

TEST(RestRoutes, APublishWithoutABrokerIs503AtOnce) {
  Bench bench;
  bench.set_status({});
  const auto connection = bench.ask("POST", "/mqtt/publish", R"({"topic":"a","payload":1})");
  EXPECT_EQ(bench.answer(connection), error(503, "\"MQTT client is not connected\"", "Service Unavailable"));
  EXPECT_EQ(bench.field(connection, "Retry-After"), "1");
  EXPECT_THAT(bench.answer_to("POST", "/mqtt/publish", R"({"payload":1})"), StartsWith("400 "));
  EXPECT_THAT(bench.answer_to("POST", "/mqtt/publish/batch", R"({"messages":[{"topic":"a","payload":1}]})"),
              HasSubstr(R"({"success":false,"statusCode":503,"message":"MQTT client is not connected"})"));
  EXPECT_TRUE(bench.idle());
}

TEST(RestRoutes, ABatchIsAskedInOrderAndABadMessageStopsNoOther) {
  Bench bench;
  const auto connection = bench.ask("POST", "/mqtt/publish/batch", R"({"messages":[
      {"topic":"a/0","payload":0},{"topic":"a/#","payload":1},{"topic":"users/bob/x","payload":2},3,
      {"topic":"a/4","payload":4,"qos":2}]})");
  const auto asked = bench.asked<PublishCommand>();
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].message.topic.text(), "a/0");
  EXPECT_EQ(asked[1].message.topic.text(), "a/4");
  bench.tell(gateway::PublishAnswer{asked[1].request, std::nullopt});
  EXPECT_EQ(bench.answer(connection), "");
  bench.tell(gateway::PublishAnswer{asked[0].request, Error{ErrorCode::broker_refused, "no"}});
  EXPECT_EQ(bench.answer(connection),
            std::string(R"(200 {"success":false,"results":[{"success":false,"statusCode":502,"message":"no"},)") +
                R"({"success":false,"statusCode":400,"message":"topic must not hold wildcards"},)"
                R"({"success":false,"statusCode":403,"message":"Not authorized to publish to users/bob/x"},)"
                R"({"success":false,"statusCode":400,"message":"each message must be an object"},)"
                R"({"success":true,"topic":"a/4","timestamp":")" +
                kTime + "\"}]}");
  EXPECT_TRUE(bench.idle());
}

TEST(RestRoutes, ABatchOfNothingGoodIsAnsweredAtOnce) {
  Bench bench;
  EXPECT_THAT(bench.answer_to("POST", "/mqtt/publish/batch", R"({"messages":[1,2]})"), StartsWith("200 "));
  EXPECT_TRUE(bench.idle());
}

TEST(RestRoutes, ABroadcastGoesOutAtQos1) {
  Bench bench;
  bench.ask("POST", "/mqtt/broadcast", R"({"topic":"news","message":{"a":1}})");
  const auto asked = bench.asked<PublishCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].message.qos, 1);
  EXPECT_EQ(asked[0].message.payload, std::string(R"({"a":1,"broadcast":true,"timestamp":")") + kTime + "\"}");
}

// --- subscriptions ---

TEST(RestRoutes, ASubscribeIsAnsweredWithTheSubscription) {
  Bench bench;
  const auto connection = bench.ask("POST", "/mqtt/subscribe", R"({"topic":"a/+","qos":2})");
  const auto asked = bench.asked<UserSubscribeCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].user_id, "alice");
  EXPECT_EQ(asked[0].qos, 2);
  bench.tell(gateway::UserSubscribeAnswer{
      asked[0].request, std::make_shared<const gateway::UserSubscription>(
                            gateway::UserSubscription{"id1", "alice", asked[0].filter, 1, bench.now.wall})});
  EXPECT_EQ(bench.answer(connection),
            std::string(R"(201 {"success":true,"subscription":{"id":"id1","topic":"a/+","qos":1,"userId":"alice",)") +
                R"("createdAt":")" + kTime + R"(","isActive":true}})");
}

TEST(RestRoutes, TheTopicToUnsubscribeIsDecodedOnce) {
  for (const auto& [path, topic] : {std::pair{"a/b", "a/b"},
                                    {"a%2Fb", "a/b"},
                                    {"+/%23", "+/#"},
                                    {"%2B/b", "+/b"},
                                    {"/a/", "/a/"},
                                    {"%2Fa", "/a"},
                                    {"a%252Fb", "a%2Fb"},
                                    {"a%20b", "a b"},
                                    {"why%3F?x=1", "why?"},
                                    {"%C3%A4", "\xC3\xA4"}}) {
    Bench bench;
    const auto connection = bench.ask("DELETE", std::string("/mqtt/unsubscribe/") + path);
    const auto asked = bench.asked<UserUnsubscribeCommand>();
    ASSERT_THAT(asked, SizeIs(1)) << path;
    EXPECT_EQ(asked[0].filter.text(), topic);
    bench.tell(gateway::UserUnsubscribeAnswer{asked[0].request, std::nullopt});
    EXPECT_THAT(bench.answer(connection), HasSubstr(R"({"success":true,"topic":")" + std::string(topic) + "\""));
  }
}

TEST(RestRoutes, ATopicThatIsNoneIs400) {
  for (const char* path : {"%zz", "%", "a%2", "%FF", "%00", "a%23", "%24share/g/a"}) {
    Bench bench;
    EXPECT_THAT(bench.answer_to("DELETE", std::string("/mqtt/unsubscribe/") + path), StartsWith("400 ")) << path;
  }
}

TEST(RestRoutes, AnUnsubscribeOfNothingIs404) {
  Bench bench;
  const auto connection = bench.ask("DELETE", "/mqtt/unsubscribe/a");
  bench.tell(gateway::UserUnsubscribeAnswer{bench.asked<UserUnsubscribeCommand>().at(0).request,
                                            Error{ErrorCode::not_found, "Not subscribed to a"}});
  EXPECT_EQ(bench.answer(connection), error(404, "\"Not subscribed to a\"", "Not Found"));
}

// --- state ---

TEST(RestRoutes, HealthAndReadinessDifferWhileTheBrokerIsAway) {
  Bench bench;
  const auto body = [](std::string_view status, std::string_view broker) {
    return R"( {"status":")" + std::string(status) + R"(","service":"mqtt","timestamp":")" + kTime +
           R"(","version":"1.2.3","broker":")" + std::string(broker) + "\"}";
  };
  EXPECT_EQ(bench.answer_to("GET", "/mqtt/health", "", ""), "200" + body("ok", "connected"));
  EXPECT_EQ(bench.answer_to("GET", "/mqtt/health/ready", "", ""), "200" + body("ok", "connected"));
  bench.set_status({});
  EXPECT_EQ(bench.answer_to("GET", "/mqtt/health", "", ""), "200" + body("degraded", "disconnected"));
  EXPECT_EQ(bench.answer_to("GET", "/mqtt/health/ready", "", ""), "503" + body("degraded", "disconnected"));
}

TEST(RestRoutes, StatisticsCountWholeSeconds) {
  Bench bench;
  bench.now.instant += std::chrono::milliseconds(2'999);
  const auto connection = bench.ask("GET", "/mqtt/stats");
  const auto survey = std::make_shared<const gateway::Survey>(
      gateway::Survey{.subscription_count = 3, .active_subscription_count = 2, .publishes = 4});
  bench.tell(gateway::SurveyAnswer{bench.asked<SurveyCommand>().at(0).request, survey});
  EXPECT_EQ(bench.answer(connection),
            std::string(R"(200 {"isConnected":true,"clientId":"me","connectedAt":")") + kTime +
                R"(","reconnectAttempts":0,"totalSubscriptions":3,"activeSubscriptions":2,"connectedClients":0,)"
                R"("messagesIn":0,"messagesOut":0,"messagesDropped":0,"publishes":4,"uptimeSeconds":2,)"
                R"("keys":{"verified":1,"remembered":0,"refused":0,"unknownKeys":0}})");
}

// --- every answer ---

TEST(RestRoutes, AnswersCarryTheClientsRequestIdOrOneOfTheirOwn) {
  const auto id_for = [](Bench& bench, std::string sent) {
    HttpFields fields;
    fields.add("X-Request-Id", std::move(sent));
    return bench.field(bench.ask("GET", "/mqtt/health", "", "", std::move(fields)), "X-Request-Id");
  };
  Bench bench;
  EXPECT_EQ(id_for(bench, "mine-1"), "mine-1");
  EXPECT_EQ(id_for(bench, std::string(128, 'x')), std::string(128, 'x'));
  const std::string made = id_for(bench, "");
  EXPECT_NE(made, "");
  for (const std::string& bad :
       {std::string(129, 'x'), std::string("a b"), std::string("a\x7F"), std::string("\xC3\xA4")}) {
    EXPECT_NE(id_for(bench, bad), bad);
    EXPECT_NE(id_for(bench, bad), made);
  }
}

TEST(RestRoutes, APreflightIsAnsweredWithoutAToken) {
  Bench bench;
  const auto connection = bench.ask("OPTIONS", "/mqtt/publish", "", "");
  EXPECT_EQ(bench.answer(connection), "204 ");
  EXPECT_NE(bench.field(connection, "X-Request-Id"), "");
  EXPECT_THAT(bench.log.of("request"), SizeIs(1));
}

TEST(RestRoutes, EveryLineOfARequestNamesIt) {
  Bench bench;
  HttpFields fields;
  fields.add("X-Request-Id", "r1");
  bench.ask("POST", "/mqtt/publish", R"({"topic":"a/b","payload":"secret","qos":1})", "alice", fields);
  bench.now.instant += std::chrono::milliseconds(7);
  bench.tell(gateway::PublishAnswer{bench.asked<PublishCommand>().at(0).request, std::nullopt});
  bench.ask("POST", "/mqtt/publish/batch", R"({"messages":[{"topic":"a/c","payload":"secret"}]})", "alice", fields);
  bench.ask("POST", "/mqtt/subscribe", R"({"topic":"a/#","qos":1})", "alice", fields);
  bench.ask("DELETE", "/mqtt/unsubscribe/a/%23?token=secret", "", "alice", fields);
  EXPECT_THAT(bench.log.lines,
              ElementsAre("publish request=r1 user=alice topic=a/b qos=1 bytes=8",
                          "request request=r1 method=POST path=/mqtt/publish status=200 user=alice ms=7",
                          "publish request=r1 user=alice topic=a/c qos=0 bytes=8",
                          "subscribe request=r1 user=alice remote= topic=a/# qos=1",
                          "unsubscribe request=r1 user=alice topic=a/#"));
}

TEST(RestRoutes, WhatARequestLineHoldsComesBackAsText) {
  Bench bench;
  EXPECT_EQ(bench.answer_to("GET", "/\xFF\xC3\xA4", "", ""),
            error(404, "\"Cannot GET /\xEF\xBF\xBD\xC3\xA4\"", "Not Found"));
}

TEST(RestRoutes, AnAbandonedRequestGoesOnAndIsForgotten) {
  Bench bench;
  const auto connection = bench.ask("POST", "/mqtt/publish", R"({"topic":"a","payload":1,"qos":1})");
  const auto asked = bench.asked<PublishCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  bench.abandon(connection);
  EXPECT_FALSE(bench.idle());
  bench.tell(gateway::PublishAnswer{asked[0].request, std::nullopt});
  EXPECT_EQ(bench.answer(connection), "");
  EXPECT_TRUE(bench.idle());
  bench.abandon(connection);
}

TEST(RestRoutes, ALargeAnswerIsCompressedForWhoTakesIt) {
  Bench bench;
  std::string messages;
  for (int i = 0; i < 50; ++i) messages += i ? ",0" : "0";
  const std::string body = R"({"messages":[)" + messages + "]}";
  HttpFields gzip;
  gzip.add("Accept-Encoding", "gzip");
  const auto zipped = bench.ask("POST", "/mqtt/publish/batch", body, "alice", gzip);
  EXPECT_EQ(bench.field(zipped, "Content-Encoding"), "gzip");
  const auto plain = bench.ask("POST", "/mqtt/publish/batch", body);
  EXPECT_EQ(bench.field(plain, "Content-Encoding"), "");
  EXPECT_EQ(bench.field(plain, "Vary"), "Accept-Encoding");
}

// --- administrators ---

TEST(RestRoutes, AnAdministratorDisconnectsAUserOrASession) {
  Bench bench;
  const auto by_user = bench.ask("POST", "/mqtt/admin/disconnect", R"({"userId":"bob"})", "root");
  auto asked = bench.asked<gateway::EndSessionsCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].whose.user_id, "bob");
  EXPECT_EQ(asked[0].whose.session_id, "");
  bench.tell(gateway::SessionsEnded{asked[0].request, 3});
  EXPECT_EQ(bench.answer(by_user), R"(200 {"success":true,"disconnected":3})");

  bench.ask("POST", "/mqtt/admin/disconnect", R"({"sessionId":"s1"})", "root");
  asked = bench.asked<gateway::EndSessionsCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].whose.session_id, "s1");
  EXPECT_THAT(bench.log.of("disconnect by administrator"),
              ElementsAre(::testing::AllOf(HasSubstr("user=root remote="), HasSubstr("whose_user=bob")),
                          HasSubstr("whose_session=s1")));
}

TEST(RestRoutes, DisconnectingIsForAdministrators) {
  Bench bench;
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/admin/disconnect", R"({"userId":"bob"})"),
            error(403, "\"Forbidden resource\"", "Forbidden"));
  EXPECT_THAT(bench.asked<gateway::EndSessionsCommand>(), IsEmpty());
}

TEST(RestRoutes, DisconnectingNeedsOneName) {
  for (const char* body : {"{}", R"({"userId":""})", R"({"userId":"a","sessionId":"b"})", R"({"sessionId":""})"}) {
    Bench bench;
    EXPECT_EQ(bench.answer_to("POST", "/mqtt/admin/disconnect", body, "root"),
              error(400, R"(["one of userId and sessionId must be given, and not be empty"])", "Bad Request"))
        << body;
  }
  Bench bench;
  EXPECT_EQ(bench.answer_to("POST", "/mqtt/admin/disconnect", R"({"userId":7,"all":true})", "root"),
            error(400, R"(["property all should not exist","userId must be a string"])", "Bad Request"));
}

}  // namespace
}  // namespace famemely::api
