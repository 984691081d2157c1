#include "socketio/socket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "socketio/test_bench.hpp"

namespace famemely::socketio {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

/// A node whose sockets are kept in their order.
struct Bench {
  const Definitions& define() {
    definitions.of("/").on_connection([this](Socket& socket) {
      sockets.push_back(&socket);
      if (on_connection) on_connection(socket);
    });
    return definitions;
  }
  void run(const std::function<void(Socket&)>& call) {
    bench.run([&](Node&) { call(*sockets.back()); });
  }

  std::vector<Socket*> sockets;
  ConnectionHandler on_connection;
  Definitions definitions;
  NodeBench bench{define()};
};

TEST(SocketIoSocket, CallsHandlersOfItsNameAndOfAny) {
  Bench bench;
  std::vector<std::string> called;
  bench.on_connection = [&](Socket& socket) {
    socket.on_any([&](const std::string& name, const Arguments& args) {
      called.push_back("any " + name + std::to_string(args.size()));
    });
    socket.on("a", [&](const Arguments& args) { called.push_back("a" + std::string(args.raw(0))); });
    socket.once("a", [&] { called.emplace_back("once"); });
  };
  const ConnectionId client = bench.bench.join();
  bench.bench.send(client, R"(42["a",1])");
  bench.bench.send(client, R"(42["a",2])");
  bench.bench.send(client, R"(42["b"])");
  EXPECT_THAT(called, ElementsAre("any a1", "a1", "once", "any a1", "a2", "any b0"));
}

TEST(SocketIoSocket, HandlersMayRemoveThemselves) {
  Bench bench;
  int calls = 0;
  bench.on_connection = [&](Socket& socket) {
    socket.on("a", [&] {
      socket.off("a");
      ++calls;
    });
  };
  const ConnectionId client = bench.bench.join();
  bench.bench.send(client, R"(42["a"])");
  bench.bench.send(client, R"(42["a"])");
  EXPECT_EQ(calls, 1);
}

TEST(SocketIoSocket, RepliesOnceAndOnlyToThoseWhoAsk) {
  Bench bench;
  std::optional<Reply> kept;
  bench.on_connection = [&](Socket& socket) {
    socket.on("a", [&](const Arguments&, const Reply& reply) { kept = reply; });
  };
  const ConnectionId client = bench.bench.join();
  bench.bench.send(client, R"(42["a"])");
  EXPECT_FALSE(*kept);
  bench.bench.send(client, R"(427["a"])");
  EXPECT_TRUE(*kept);
  bench.run([&](Socket&) {
    (*kept)("x", Binary{"y"});
    (*kept)("again");
  });
  EXPECT_THAT(bench.bench.received(client), ElementsAre(R"(461-7["x",{"_placeholder":true,"num":0}])", "binary:y"));
}

TEST(SocketIoSocket, SendsAttachments) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  bench.run([](Socket& socket) { socket.emit("a", 1, Binary{"bytes"}); });
  EXPECT_THAT(bench.bench.received(client),
              ElementsAre(R"(451-["a",1,{"_placeholder":true,"num":0}])", "binary:bytes"));
}

TEST(SocketIoSocket, TellsWhatWasAcknowledged) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  std::vector<std::string> answers;
  bench.run([&](Socket& socket) {
    socket.emit_with_ack("a", values(1),
                         [&](const Result<Arguments, AckError>& answer) { answers.emplace_back(answer->raw(0)); });
  });
  EXPECT_THAT(bench.bench.received(client), ElementsAre(R"(421["a",1])"));
  bench.bench.send(client, R"(431["ok"])");
  bench.bench.send(client, R"(431["twice"])");
  EXPECT_THAT(answers, ElementsAre("\"ok\""));
}

TEST(SocketIoSocket, TellsWhyNothingWasAcknowledged) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  std::vector<AckError> errors;
  const AckCallback note = [&](const Result<Arguments, AckError>& answer) { errors.push_back(answer.error()); };
  bench.run([&](Socket& socket) {
    socket.emit_with_ack("a", values(), note, seconds(2));
    socket.emit_with_ack("a", values(), note);
    socket.on_disconnect([&, note](DisconnectReason) { socket.emit_with_ack("late", values(), note); });
  });
  bench.bench.pass(seconds(2));
  EXPECT_THAT(errors, ElementsAre(AckError::timed_out));
  bench.bench.send(client, "431[]");
  bench.bench.drop(client);
  EXPECT_THAT(errors, ElementsAre(AckError::timed_out, AckError::disconnected, AckError::not_sent));
}

TEST(SocketIoSocket, VolatileEventsPassByAClientThatIsBehind) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  bench.run([](Socket& socket) {
    EXPECT_TRUE(socket.emit_volatile("a"));
    EXPECT_FALSE(socket.emit_volatile("b"));
    EXPECT_TRUE(socket.emit("c"));
  });
  EXPECT_THAT(bench.bench.received(client), ElementsAre(R"(42["a"])", R"(42["c"])"));
}

TEST(SocketIoSocket, IsClosedWhenItDoesNotKeepUp) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  bench.bench.stick(client);
  std::string reason;
  bench.run([&](Socket& socket) {
    socket.on_disconnect([&](DisconnectReason why) { reason = to_string(why); });
    const std::string large(1'000'000, 'x');
    for (int i = 0; i < 5; ++i) socket.emit("a", large);
  });
  EXPECT_EQ(reason, "slow consumer");
}

TEST(SocketIoSocket, DoesNotSendDataThatWouldBecomeAnAttachment) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  bench.run([](Socket& socket) {
    EXPECT_FALSE(socket.emit("a", Json{R"({"_placeholder":true,"num":0})"}, Binary{"secret"}));
  });
  EXPECT_THAT(bench.bench.received(client), IsEmpty());
}

TEST(SocketIoSocket, ClosesItsWholeConnectionIfAsked) {
  Bench bench;
  const ConnectionId client = bench.bench.join();
  bench.run([](Socket& socket) { socket.disconnect(true); });
  EXPECT_THAT(bench.bench.received(client), ElementsAre(StartsWith("close:")));
}

}  // namespace
}  // namespace famemely::socketio
