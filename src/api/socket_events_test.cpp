#include "api/socket_events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.hpp"

namespace famemely::api {
namespace {

using gateway::Granted;
using gateway::SubscribeCommand;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr gateway::FilterId kFilter = 7;

gateway::UserSubscribed held_by_user(const Bench& bench, std::string_view user, std::string_view filter) {
  return {std::make_shared<const gateway::UserSubscription>(gateway::UserSubscription{
              "by-rest", std::string(user), *mqtt::TopicFilter::parse(filter), 0, bench.now.wall}),
          Granted{.filter = kFilter, .qos = 0, .number = 1}};
}

TEST(SocketEvents, ListsWhatDeliversToTheSocketAndWhereItComesFrom) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.send(socket, R"(42/mqtt,1["mqtt:subscribe",{"topic":"own","qos":1}])");
  bench.tell(gateway::SubscribeAnswer{bench.asked<SubscribeCommand>().at(0).request,
                                      Granted{.filter = 1, .qos = 1, .number = 1}});
  bench.tell(held_by_user(bench, "alice", "rest"));
  bench.received(socket);
  bench.send(socket, R"(42/mqtt,["mqtt:subscriptions"])");
  auto received = bench.received(socket);
  ASSERT_THAT(received, SizeIs(1));
  EXPECT_THAT(received[0], StartsWith(R"(42/mqtt,["mqtt:subscriptions",[{)"));
  EXPECT_THAT(received[0], HasSubstr(R"("topic":"own","qos":1,"userId":"alice")"));
  EXPECT_THAT(received[0], HasSubstr(R"("isActive":true,"source":"socket"},{"id":"by-rest","topic":"rest")"));
  EXPECT_THAT(received[0], HasSubstr(R"("isActive":true,"source":"rest"}]])"));
  bench.send(socket, R"(42/mqtt,2["mqtt:subscriptions"])");
  received = bench.received(socket);
  ASSERT_THAT(received, SizeIs(1));
  EXPECT_THAT(received[0], StartsWith(R"(43/mqtt,2[{"success":true,"total":2,"subscriptions":[{)"));
}

TEST(SocketEvents, TheUsersSubscriptionIsNotTheSocketsToEnd) {
  Bench bench;
  const auto socket = bench.join("alice");
  bench.tell(held_by_user(bench, "alice", "x"));
  bench.received(socket);
  bench.send(socket, R"(42/mqtt,1["mqtt:unsubscribe",{"topic":"x"}])");
  bench.send(socket, R"(42/mqtt,2["mqtt:unsubscribe",{"topic":"y"}])");
  EXPECT_THAT(
      bench.received(socket),
      ElementsAre(
          R"(43/mqtt,1[{"success":false,"error":"Not subscribed to x by this socket: use DELETE /mqtt/unsubscribe","statusCode":404}])",
          R"(43/mqtt,2[{"success":false,"error":"Not subscribed to y","statusCode":404}])"));
  EXPECT_THAT(bench.log.of("unsubscribe"), SizeIs(2));
}

TEST(SocketEvents, AnUnsubscribeIsAnsweredAfterTheSubscribeBeforeIt) {
  for (const bool user_holds_it : {false, true}) {
    Bench bench;
    const auto socket = bench.join("alice");
    if (user_holds_it) bench.tell(held_by_user(bench, "alice", "x"));
    bench.received(socket);
    bench.send(socket, R"(42/mqtt,1["mqtt:subscribe",{"topic":"x","qos":1}])");
    bench.send(socket, R"(42/mqtt,2["mqtt:unsubscribe",{"topic":"x"}])");
    EXPECT_THAT(bench.received(socket), IsEmpty());
    bench.tell(gateway::SubscribeAnswer{bench.asked<SubscribeCommand>().at(0).request,
                                        Granted{.filter = kFilter, .qos = 1, .number = 2}});
    EXPECT_THAT(bench.received(socket), ElementsAre(StartsWith(R"(43/mqtt,1[{"success":true,"id":)"),
                                                    R"(43/mqtt,2[{"success":true,"topic":"x"}])"));
  }
}

TEST(SocketEvents, ALostSubscriptionIsAnErrorOfSubscribing) {
  Bench bench;
  const auto socket = bench.join("alice");
  const auto held = held_by_user(bench, "alice", "x");
  bench.tell(held);
  bench.received(socket);
  bench.tell(gateway::UserSubscriptionRefused{held.subscription, Error{ErrorCode::broker_refused, "no more"}});
  EXPECT_THAT(bench.received(socket),
              ElementsAre(R"(42/mqtt,["mqtt:subscribe:error",{"error":"no more","statusCode":502,"topic":"x"}])"));
}

}  // namespace
}  // namespace famemely::api
