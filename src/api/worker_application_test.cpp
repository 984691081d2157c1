#include "api/worker_application.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.hpp"

namespace famemely::api {
namespace {

using gateway::SubscribeCommand;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::string_view kSubscribe = R"(42/mqtt,1["mqtt:subscribe",{"topic":"x","qos":1}])";

gateway::SubscribeAnswer granted(const SubscribeCommand& asked) {
  return {asked.request, gateway::Granted{.filter = 1, .qos = 1, .number = 1}};
}

TEST(WorkerApplicationEnd, TellsItsSocketsAndClosesThemLater) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.begin_shutdown();
  EXPECT_THAT(bench.received(socket), ElementsAre(HasSubstr(R"("shuttingDown":true)")));
  EXPECT_FALSE(bench.idle());
  bench.begin_closing(seconds(10));
  EXPECT_THAT(bench.received(socket), ElementsAre("close:1005"));
  EXPECT_FALSE(bench.idle()) << "the goodbye has no answer yet";
  bench.leave(socket);
  EXPECT_TRUE(bench.idle());
}

TEST(WorkerApplicationEnd, ReadsWhatWasSentBeforeTheClosing) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.begin_shutdown();
  bench.send(socket, R"(42/mqtt,1["mqtt:subscriptions"])");
  bench.received(socket);
  bench.send(socket, kSubscribe);
  EXPECT_THAT(bench.asked<SubscribeCommand>(), SizeIs(1));
}

TEST(WorkerApplicationEnd, ClosesASocketOnceItHasItsAnswersAndLooksAtNoMoreOfItsRequests) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.send(socket, kSubscribe);
  const auto asked = bench.asked<SubscribeCommand>();
  ASSERT_THAT(asked, SizeIs(1));
  bench.begin_shutdown();
  bench.begin_closing(seconds(10));
  bench.received(socket);
  bench.send(socket, R"(42/mqtt,2["mqtt:subscribe",{"topic":"y","qos":1}])");
  bench.pass(seconds(7));
  EXPECT_THAT(bench.asked<SubscribeCommand>(), IsEmpty());
  EXPECT_THAT(bench.received(socket), IsEmpty());
  bench.tell(granted(asked[0]));
  bench.pass(milliseconds(20));
  EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(43/mqtt,1[{"success":true)"), "close:1005"));
}

TEST(WorkerApplicationEnd, WithoutTimeStillWaitsForNobodyTwiceInATurn) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.send(socket, kSubscribe);
  bench.begin_shutdown();
  bench.begin_closing(seconds(0));
  bench.received(socket);
  bench.tell(granted(bench.asked<SubscribeCommand>().at(0)));
  bench.pass(milliseconds(20));
  EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith("43/mqtt,1"), "close:1005"));
}

TEST(WorkerApplicationEnd, WaitsForAMessageThatHasBegunToArriveForHalfTheTime) {
  for (const bool comes : {true, false}) {
    Bench bench;
    const auto socket = bench.join("alice");
    const std::string message = engineio::masked_text(kSubscribe);
    bench.send_bytes(socket, message.substr(0, 9));
    bench.begin_shutdown();
    bench.begin_closing(seconds(10));
    bench.pass(milliseconds(4900));
    if (comes) bench.send_bytes(socket, message.substr(9));
    EXPECT_THAT(bench.asked<SubscribeCommand>(), SizeIs(comes ? 1 : 0));
    bench.received(socket);
    bench.pass(milliseconds(200));
    EXPECT_THAT(bench.received(socket), SizeIs(comes ? 0 : 1));
  }
}

TEST(WorkerApplicationEnd, SendsNewcomersElsewhere) {
  for (const std::string nsp : {"/mqtt", "/admin"}) {
    Bench bench;
    const auto socket = bench.open();
    bench.begin_shutdown();
    bench.send(socket, "40" + nsp + R"(,{"token":")" + bench.token("alice") + "\"}");
    EXPECT_THAT(bench.received(socket), ElementsAre("close:1005"));
  }
}

TEST(WorkerApplicationEnd, ASocketInAnotherNamespaceDoesNotCostAnAnswer) {
  for (const bool admin_first : {false, true}) {
    Bench bench;
    const auto socket = bench.open();
    const std::string join = R"(40/mqtt,{"token":")" + bench.token("alice") + "\"}";
    const std::string administer =
        R"(40/admin,{"username":"","password":")" + bench.token("root", R"(,"user_role":"admin")") + "\"}";
    bench.send(socket, admin_first ? administer : join);
    bench.send(socket, admin_first ? join : administer);
    bench.send(socket, kSubscribe);
    const auto asked = bench.asked<SubscribeCommand>();
    bench.begin_shutdown();
    bench.begin_closing(seconds(10));
    ASSERT_THAT(bench.received(socket), ::testing::Contains(StartsWith("40/admin")));
    bench.pass(milliseconds(100));
    EXPECT_THAT(bench.received(socket), IsEmpty());
    bench.tell(granted(asked.at(0)));
    bench.pass(milliseconds(20));
    EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith("43/mqtt,1"), "close:1005"));
  }
}

}  // namespace
}  // namespace famemely::api
