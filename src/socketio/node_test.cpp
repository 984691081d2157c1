#include "socketio/node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "socketio/test_bench.hpp"

namespace famemely::socketio {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

TEST(SocketIoNode, LetsClientsIntoNamespacesThatAreDefined) {
  Definitions definitions;
  definitions.of("/chat");
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, "40/chat,");
  bench.send(client, "40/other,");
  EXPECT_THAT(bench.received(client),
              ElementsAre(StartsWith("40/chat,{\"sid\":\""), R"(44/other,{"message":"Invalid namespace"})"));
}

TEST(SocketIoNode, DecidesOnNamespacesByPredicateAndForgetsThemWithTheirLastSocket) {
  Definitions definitions;
  std::vector<std::string> names;
  definitions.of([](std::string_view name, std::string_view) { return name.starts_with("/room-"); })
      .on_connection([&](Socket& socket) { names.push_back(socket.nsp().name()); });
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, "40/room-7,");
  bench.send(client, "40/zoom-7,");
  EXPECT_THAT(names, ElementsAre("/room-7"));
  EXPECT_THAT(bench.received(client),
              ElementsAre(StartsWith("40/room-7,"), R"(44/zoom-7,{"message":"Invalid namespace"})"));
  bench.send(client, "41/room-7,");
  bench.send(client, "40/room-8,");
  EXPECT_THAT(names, ElementsAre("/room-7", "/room-8"));
}

TEST(SocketIoNode, MiddlewareRefusesWithMessageAndData) {
  Definitions definitions;
  std::vector<std::string> passed;
  definitions.of("/")
      .use([](Socket& socket, const Next& next) {
        if (socket.auth("token") == "good") return next();
        next.refuse("not authorized", Json{R"({"code":7})"});
      })
      .use([&](Socket& socket, const Next& next) {
        passed.push_back(*socket.auth("token"));
        next();
      });
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, R"(40{"token":"bad"})");
  bench.send(client, R"(40{"token":"good"})");
  EXPECT_THAT(bench.received(client),
              ElementsAre(R"(44{"message":"not authorized","data":{"code":7}})", StartsWith("40{\"sid\"")));
  EXPECT_THAT(passed, ElementsAre("good"));
}

TEST(SocketIoNode, MiddlewareMayAnswerLaterAndEventsWaitForIt) {
  Definitions definitions;
  std::optional<Next> later;
  definitions.of("/").use([&](Socket&, const Next& next) { later = next; }).on_connection([](Socket& socket) {
    socket.on("hi", [&socket](const Arguments& args) { socket.emit_values("echo", args.pass_on()); });
  });
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, "40");
  bench.send(client, R"(42["hi",1])");
  EXPECT_THAT(bench.received(client), IsEmpty());
  bench.run([&](Node&) { (*later)(); });
  EXPECT_THAT(bench.received(client), ElementsAre(StartsWith("40{\"sid\""), R"(42["echo",1])"));
}

TEST(SocketIoNode, AMiddlewareThatAnswersTooLateDoesNoHarm) {
  Definitions definitions;
  std::optional<Next> later;
  definitions.of("/").use([&](Socket&, const Next& next) { later = next; });
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, "40");
  bench.drop(client);
  bench.run([&](Node&) { later->refuse("no"); });
  EXPECT_THAT(bench.log.lines, IsEmpty());
}

TEST(SocketIoNode, ClosesAClientThatFloodsBeforeItIsLetIn) {
  Definitions definitions;
  std::optional<Next> later;
  definitions.of("/").use([&](Socket&, const Next& next) { later = next; });
  NodeBench bench(definitions);
  const ConnectionId client = bench.open();
  bench.send(client, "40");
  for (int i = 0; i < 64; ++i) bench.send(client, R"(42["hi"])");
  EXPECT_THAT(bench.received(client), IsEmpty());
  bench.send(client, R"(42["hi"])");
  EXPECT_THAT(bench.received(client), ElementsAre(StartsWith("close:")));
}

TEST(SocketIoNode, ThrowingHandlersAreLoggedAndTheSocketStays) {
  Definitions definitions;
  definitions.of("/").on_connection([](Socket& socket) {
    socket.on("bad", [] { throw std::runtime_error("oh"); });
    socket.on("good", [](const Arguments&, const Reply& reply) { reply("yes"); });
  });
  NodeBench bench(definitions);
  const ConnectionId client = bench.join();
  bench.send(client, R"(42["bad"])");
  bench.send(client, R"(421["good"])");
  EXPECT_THAT(bench.log.lines, ElementsAre("handler failed of=bad error=oh"));
  EXPECT_THAT(bench.received(client), ElementsAre(R"(431["yes"])"));
}

TEST(SocketIoNode, TellsWhyASocketGoesWhileItsRoomsAreThere) {
  Definitions definitions;
  std::vector<std::string> told;
  definitions.of("/").on_connection([&](Socket& socket) {
    socket.join("a");
    socket.on_disconnecting([&](DisconnectReason reason) {
      told.push_back(std::string(to_string(reason)) + " " + std::to_string(socket.rooms().size()));
    });
    socket.on_disconnect([&](DisconnectReason reason) {
      told.push_back(std::string(to_string(reason)) + " " + std::to_string(socket.rooms().size()));
    });
    socket.on("kick", [&socket] { socket.disconnect(); });
  });
  NodeBench bench(definitions);
  const ConnectionId client = bench.join();
  bench.send(client, "41");
  bench.send(client, "40");
  bench.send(client, R"(42["kick"])");
  bench.drop(bench.join());
  EXPECT_THAT(told, ElementsAre("client namespace disconnect 2", "client namespace disconnect 0",
                                "server namespace disconnect 2", "server namespace disconnect 0", "transport close 2",
                                "transport close 0"));
}

TEST(SocketIoNode, ClosesNewcomersWhileItShutsDownAndThenTheOthersWithoutADisconnectPacket) {
  Definitions definitions;
  definitions.of("/");
  NodeBench bench(definitions);
  const ConnectionId client = bench.join();
  bench.node.begin_shutdown(bench.now, bench.effects());
  bench.settle();
  const ConnectionId newcomer = bench.open();
  bench.send(newcomer, "40");
  EXPECT_THAT(bench.received(newcomer), ElementsAre(StartsWith("close:")));
  EXPECT_THAT(bench.received(client), ElementsAre());  // what it had sent is still being read
  bench.node.begin_closing(bench.now, bench.now.instant + seconds(1), bench.effects());
  bench.settle();
  EXPECT_THAT(bench.received(client), ElementsAre(StartsWith("close:")));
}

TEST(SocketIoNode, AnswersPreflightsAndStrangers) {
  Definitions definitions;
  definitions.of("/");
  NodeOptions options;
  options.cors_origins = {"https://a.example"};
  NodeBench bench(definitions, options);
  bench.node.on_request(90, engineio::make_request("OPTIONS", "EIO=4", "", "/socket.io/"), bench.now, bench.effects());
  bench.node.on_request(91, engineio::make_request("GET", "", "", "/"), bench.now, bench.effects());
  bench.settle();
  EXPECT_EQ(bench.network().last_status(90), 204);
  EXPECT_EQ(bench.network().last_status(91), 404);
  HttpResponse response;
  bench.node.decorate(response, {"https://a.example", ""});
  EXPECT_EQ(response.fields.find("Access-Control-Allow-Origin"), "https://a.example");
  HttpResponse other;
  bench.node.decorate(other, {"https://b.example", ""});
  EXPECT_EQ(other.fields.find("Access-Control-Allow-Origin"), std::nullopt);
  EXPECT_EQ(other.fields.find("Vary"), "Origin");
}

}  // namespace
}  // namespace famemely::socketio
