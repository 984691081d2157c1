#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/engineio/server_bench.hpp"

namespace famemely::engineio {
namespace {

using testing::ElementsAre;

TEST(EnginePolling, OpensASessionWithExactlyFiveKeys) {
  ServerBench bench;
  bench.open_polling();
  EXPECT_EQ(bench.network.last_body(1), "0{\"sid\":\"" + bench.sid +
                                            "\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"
                                            "\"pingTimeout\":20000,\"maxPayload\":1000000}");
  const HttpFields& fields = bench.network.responses[1].back().fields;
  EXPECT_EQ(fields.find("Content-Type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(fields.find("Cache-Control"), "no-store");
  EXPECT_THAT(bench.diary, ElementsAre("opened"));
}

TEST(EnginePolling, ServesItsPathWithAndWithoutTheLastSlash) {
  ServerBench bench;
  EXPECT_TRUE(bench.server.serves("/engine.io/"));
  EXPECT_TRUE(bench.server.serves("/engine.io"));
  EXPECT_FALSE(bench.server.serves("/engine.io/x"));
}

TEST(EnginePolling, FindsTheOwnerInTheSid) {
  ServerBench bench({.owner = 5});
  bench.open_polling();
  EXPECT_EQ(Server::owner_of(make_request("GET", bench.session_query())), 5);
  EXPECT_EQ(Server::owner_of(make_request("GET", "EIO=4&transport=polling&sid=nonsense")), std::nullopt);
  EXPECT_EQ(Server::owner_of(make_request("GET", "EIO=4&transport=polling")), std::nullopt);
}

TEST(EnginePolling, AnswersBadRequestsByTheTable) {
  struct Row {
    const char* method;
    std::string query;
    const char* body;
  };
  ServerBench bench;
  const std::string sid = "&sid=" + bench.open_polling();
  const Row rows[] = {
      {"GET", "EIO=4", R"({"code":0,"message":"Transport unknown"})"},
      {"GET", "EIO=4&transport=abc", R"({"code":0,"message":"Transport unknown"})"},
      {"POST", "EIO=3&transport=abc", R"({"code":0,"message":"Transport unknown"})"},
      {"GET", "EIO=4&transport=polling&sid=abc", R"({"code":1,"message":"Session ID unknown"})"},
      {"GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", R"({"code":1,"message":"Session ID unknown"})"},
      {"POST", "EIO=4&transport=polling", R"({"code":2,"message":"Bad handshake method"})"},
      {"PUT", "transport=polling", R"({"code":2,"message":"Bad handshake method"})"},
      {"GET", "EIO=4&transport=websocket", R"({"code":3,"message":"Bad request"})"},
      {"GET", "EIO=4&transport=websocket" + sid, R"({"code":3,"message":"Bad request"})"},
      {"GET", "EIO=3&transport=polling" + sid, R"({"code":3,"message":"Bad request"})"},
      {"PUT", "EIO=4&transport=polling" + sid, R"({"code":3,"message":"Bad request"})"},
      {"GET", "EIO=3&transport=polling", R"({"code":5,"message":"Unsupported protocol version"})"},
      {"GET", "transport=polling", R"({"code":5,"message":"Unsupported protocol version"})"},
  };
  ConnectionId connection = 100;
  for (const Row& row : rows) {
    bench.request(++connection, make_request(row.method, row.query));
    EXPECT_EQ(bench.network.last_status(connection), 400) << row.query;
    EXPECT_EQ(bench.network.last_body(connection), row.body) << row.method << ' ' << row.query;
    EXPECT_EQ(bench.network.responses[connection].back().fields.find("Content-Type"), "application/json");
  }
  EXPECT_TRUE(bench.server.is_open(bench.session)) << "none of them touches the session";
}

TEST(EnginePolling, RefusesADisabledTransport) {
  ServerBench bench({.polling = false});
  bench.request(1, make_request("GET", "EIO=4&transport=polling"));
  EXPECT_EQ(bench.network.last_body(1), R"({"code":0,"message":"Transport unknown"})");
  ServerBench no_websocket({.websocket = false});
  no_websocket.open_polling();
  EXPECT_THAT(no_websocket.network.last_body(1), testing::HasSubstr("\"upgrades\":[]"));
}

TEST(EnginePolling, HoldsAPollUntilThereIsData) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  EXPECT_TRUE(bench.network.responses[2].empty());
  bench.server.send(bench.session, make_text_frame("4one"));
  bench.server.send(bench.session, make_text_frame("4two"));
  EXPECT_TRUE(bench.network.responses[2].empty()) << "not before the end of the turn";
  bench.turn();
  EXPECT_EQ(bench.network.last_body(2),
            "4one\x1e"
            "4two");
  EXPECT_EQ(bench.network.responses[2].back().fields.find("Content-Type"), "text/plain; charset=UTF-8");
}

TEST(EnginePolling, PutsAtMostSixteenPacketsInOneAnswer) {
  ServerBench bench;
  bench.open_polling();
  for (int i = 0; i < 20; ++i) bench.server.send(bench.session, make_text_frame("4x"));
  bench.poll(2);
  EXPECT_EQ(std::ranges::count(bench.network.last_body(2), '\x1e'), 15);
  bench.poll(3);
  EXPECT_EQ(std::ranges::count(bench.network.last_body(3), '\x1e'), 3);
}

TEST(EnginePolling, AnswersAPostWithOkAndAContentType) {
  ServerBench bench;
  bench.echo = true;
  bench.open_polling();
  bench.post(2,
             "4hello\x1e"
             "bAQID");
  EXPECT_EQ(bench.network.last_status(2), 200);
  EXPECT_EQ(bench.network.last_body(2), "ok");
  EXPECT_EQ(bench.network.responses[2].back().fields.find("Content-Type"), "text/html");
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:hello", "binary:\x01\x02\x03"));
  bench.poll(3);
  EXPECT_EQ(bench.network.last_body(3),
            "4hello\x1e"
            "bAQID");
}

TEST(EnginePolling, AcceptsABodyOfExactlyTheLimitAndSurvivesALargerOne) {
  ServerBench bench({.message_bytes_max = 10});
  bench.open_polling();
  bench.post(2, "4" + std::string(9, 'x'));
  EXPECT_EQ(bench.network.last_body(2), "ok");
  bench.post(3, "4" + std::string(10, 'x'));
  EXPECT_EQ(bench.network.last_status(3), 413);
  EXPECT_EQ(bench.network.last_body(3), "");
  HttpRequest head = make_request("POST", bench.session_query());
  head.fields.add("Content-Length", "11");
  EXPECT_FALSE(bench.start(4, head));
  EXPECT_EQ(bench.network.last_status(4), 413);
  bench.post(5, "4y");
  EXPECT_EQ(bench.network.last_body(5), "ok");
}

TEST(EnginePolling, ClosesTheSessionAtGarbage) {
  for (const char* body : {"", "abc", "4a\x1e", "9", "4\xFF"}) {
    ServerBench bench;
    bench.open_polling();
    bench.poll(2);
    bench.post(3, body);
    EXPECT_EQ(bench.network.last_status(3), 400) << body;
    EXPECT_EQ(bench.network.last_body(2), "1") << body;
    EXPECT_EQ(bench.diary.back(), "parse error") << body;
    bench.poll(4);
    EXPECT_EQ(bench.network.last_body(4), R"({"code":1,"message":"Session ID unknown"})");
  }
}

TEST(EnginePolling, TakesThePacketsBeforeTheGarbage) {
  ServerBench bench;
  bench.open_polling();
  bench.post(2,
             "4a\x1exyz\x1e"
             "4b");
  EXPECT_THAT(bench.diary, ElementsAre("opened", "message:a", "parse error"));
}

TEST(EnginePolling, RefusesABinaryBody) {
  ServerBench bench;
  bench.open_polling();
  HttpRequest request = make_request("POST", bench.session_query(), "4x");
  request.fields.add("Content-Type", "application/octet-stream");
  bench.request(2, request);
  EXPECT_EQ(bench.network.last_status(2), 400);
  EXPECT_EQ(bench.diary.back(), "transport error");
}

TEST(EnginePolling, ClosesAtASecondPoll) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  bench.poll(3);
  EXPECT_EQ(bench.network.last_status(3), 400);
  EXPECT_EQ(bench.network.last_body(2), "1");
  EXPECT_EQ(bench.diary.back(), "transport error");
}

TEST(EnginePolling, ClosesAtASecondPostWhileTheFirstIsOnItsWay) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  EXPECT_TRUE(bench.start(3, make_request("POST", bench.session_query())));
  EXPECT_FALSE(bench.start(4, make_request("POST", bench.session_query())));
  EXPECT_EQ(bench.network.last_status(4), 400);
  EXPECT_EQ(bench.network.last_body(2), "1");
  EXPECT_EQ(bench.diary.back(), "transport error");
  bench.post(3, "4late");
  EXPECT_EQ(bench.network.last_body(3), R"({"code":1,"message":"Session ID unknown"})");
}

TEST(EnginePolling, SaysWhetherAPostIsOnItsWay) {
  ServerBench bench;
  bench.open_polling();
  EXPECT_FALSE(bench.server.is_receiving(bench.session));
  EXPECT_TRUE(bench.start(3, make_request("POST", bench.session_query())));
  EXPECT_TRUE(bench.server.is_receiving(bench.session));
  bench.post(3, "4x");
  EXPECT_FALSE(bench.server.is_receiving(bench.session));
}

TEST(EnginePolling, ForgetsAPostThatTheCallerRefused) {
  ServerBench bench;
  bench.open_polling();
  EXPECT_TRUE(bench.start(3, make_request("POST", bench.session_query())));
  bench.server.on_request_abandoned(3);
  EXPECT_TRUE(bench.start(4, make_request("POST", bench.session_query())));
  bench.disconnect(3);
  EXPECT_TRUE(bench.server.is_open(bench.session));
}

TEST(EnginePolling, ClosesWhenAPollOrAPostIsAborted) {
  ServerBench polled;
  polled.open_polling();
  polled.poll(2);
  polled.disconnect(2);
  EXPECT_EQ(polled.diary.back(), "transport error");
  ServerBench posted;
  posted.open_polling();
  EXPECT_TRUE(posted.start(3, make_request("POST", posted.session_query())));
  posted.disconnect(3);
  EXPECT_EQ(posted.diary.back(), "transport error");
}

TEST(EnginePolling, LetsAnIdleConnectionGo) {
  ServerBench bench;
  bench.open_polling();
  bench.post(2, "4x");
  bench.disconnect(1);
  bench.disconnect(2);
  EXPECT_TRUE(bench.server.is_open(bench.session));
}

TEST(EnginePolling, ClosesWhenTheClientSaysSo) {
  ServerBench bench;
  bench.open_polling();
  bench.poll(2);
  bench.post(3,
             "1\x1e"
             "4late");
  EXPECT_EQ(bench.network.last_body(2), "6");
  EXPECT_EQ(bench.network.last_body(3), "ok");
  EXPECT_THAT(bench.diary, ElementsAre("opened", "transport close"));
  EXPECT_EQ(bench.server.session_count(), 0U);
}

TEST(EnginePolling, SendsWhatIsQueuedBeforeItSaysThatTheServerCloses) {
  ServerBench bench;
  bench.open_polling();
  bench.server.send(bench.session, make_text_frame("4last"));
  bench.server.close(bench.session, CloseReason::forced_close, bench.now);
  bench.drain();
  bench.turn();
  EXPECT_EQ(bench.diary.back(), "forced close");
  bench.post(2, "4x");
  EXPECT_EQ(bench.network.last_body(2), R"({"code":1,"message":"Session ID unknown"})");
  EXPECT_EQ(bench.server.leaving_count(), 1U);
  bench.poll(3);
  EXPECT_EQ(bench.network.last_body(3), "4last");
  EXPECT_EQ(bench.server.leaving_count(), 0U) << "it is owed no more than the news";
  bench.poll(4);
  EXPECT_EQ(bench.network.last_body(4), "1");
  bench.poll(5);
  EXPECT_EQ(bench.network.last_body(5), R"({"code":1,"message":"Session ID unknown"})");
}

TEST(EnginePolling, DoesNotWaitForEverForThatPoll) {
  ServerBench bench;
  bench.open_polling();
  bench.server.close(bench.session, CloseReason::forced_close, bench.now);
  bench.drain();
  bench.turn();
  bench.pass(std::chrono::seconds(4));
  bench.poll(2);
  EXPECT_EQ(bench.network.last_body(2), R"({"code":1,"message":"Session ID unknown"})");
  EXPECT_EQ(bench.server.next_deadline(), kNever);
}

TEST(EnginePolling, TellsWhenTheQueueIsDrained) {
  ServerBench bench;
  bench.open_polling();
  bench.server.send(bench.session, make_text_frame("4x"));
  bench.server.tell_when_drained(bench.session);
  bench.drain();
  EXPECT_THAT(bench.diary, ElementsAre("opened"));
  bench.poll(2);
  EXPECT_THAT(bench.diary, ElementsAre("opened", "drained"));
}

}  // namespace
}  // namespace famemely::engineio
