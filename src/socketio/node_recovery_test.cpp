#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "socketio/test_bench.hpp"

namespace famemely::socketio {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

/// The text between two others.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t from = text.find(before) + before.size();
  return text.substr(from, text.find(after, from) - from);
}

/// The last argument.
std::string offset_in(const std::string& event) { return between(event.substr(event.rfind(",\"")), ",\"", "\""); }

/// Some nodes, each told everything in one order, but only when the test says so; of what it tells itself, at once.
class Cluster {
 public:
  explicit Cluster(NodeId nodes, const std::function<void(NodeOptions&)>& change = {}) {
    definitions.of("/")
        .use([this](Socket& socket, const Next& next) {
          ++middleware_calls;
          if (hold) return held.push_back(next);
          if (socket.auth("token") == "bad") return next.refuse("no");
          next();
        })
        .on_connection([this](Socket& socket) { on_connection(socket); });
    for (NodeId id = 0; id < nodes; ++id) {
      NodeOptions options;
      options.server.owner = id;
      options.recovery_window = seconds(120);
      if (change) change(options);
      benches.push_back(std::make_unique<NodeBench>(definitions, options));
      members_.push_back(std::make_unique<Member>(*this, id));
      benches.back()->node.set_adapter(*members_.back());
    }
  }

  NodeBench& operator[](std::size_t node) { return *benches[node]; }
  /// The node is told one more thing; false if there is nothing.
  bool step(std::size_t node) {
    if (members_[node]->queue.empty()) return false;
    benches[node]->run([&](Node&) { members_[node]->take(); });
    return true;
  }
  void settle() {
    for (bool any = true; any;) {
      any = false;
      for (std::size_t node = 0; node < benches.size(); ++node) any = step(node) || any;
    }
  }
  void emit(std::size_t node, int value, const std::string& room = "") {
    benches[node]->run([&](Node& one) {
      auto to = one.of("/").all();
      if (!room.empty()) to = to.to(room);
      to.emit("e", value);
    });
  }

  Definitions definitions;
  std::vector<std::unique_ptr<NodeBench>> benches;
  int middleware_calls = 0;
  bool hold = false;
  std::vector<Next> held;
  std::vector<std::string> log;  // recovered or not, rooms, data of whoever connects; the reasons of whoever goes
  Socket* last = nullptr;

 private:
  void on_connection(Socket& socket) {
    last = &socket;
    const int* data = std::any_cast<int>(&socket.data());
    log.push_back((socket.recovered() ? "back " : "new ") + std::to_string(socket.rooms().size()) + " " +
                  std::to_string(data ? *data : 0));
    socket.on("join", [&socket](const Arguments& args) { socket.join(args.get<std::string>(0).value()); });
    socket.on("data", [&socket](const Arguments& args) { socket.data() = args.get<int>(0).value(); });
    socket.on("me", [&socket](const Arguments& args) { socket.emit("e", args.get<int>(0).value()); });
    socket.on("kick", [&socket] { socket.disconnect(true); });
    socket.on_disconnect([this](DisconnectReason reason) { log.emplace_back(to_string(reason)); });
  }

  class Member final : public Adapter {
   public:
    Member(Cluster& cluster, NodeId id) : cluster_(cluster), id_(id) {}
    [[nodiscard]] NodeId id() const override { return id_; }
    [[nodiscard]] std::size_t node_count() const override { return cluster_.benches.size(); }
    void publish(NodeMessage message) override {
      for (const auto& member : cluster_.members_) member->queue.push_back(message);
      if (taking_) return;
      while (!queue.empty()) take();
    }
    void send(NodeId node, NodeMessage message) override {
      cluster_.members_[node]->queue.push_back(std::move(message));
    }
    void take() {
      const NodeMessage message = std::move(queue.front());
      queue.pop_front();
      taking_ = true;
      cluster_.benches[id_]->node.on_message(message);
      taking_ = false;
    }

    std::deque<NodeMessage> queue;

   private:
    Cluster& cluster_;
    NodeId id_;
    bool taking_ = false;
  };

  std::vector<std::unique_ptr<Member>> members_;
};

/// As the official client: notes its ids and the last offset, and asks for its session.
struct Client {
  explicit Client(Cluster& all) : cluster(all) {}

  void connect(std::size_t at, const std::string& more = "") {
    node = at;
    connection = cluster[node].open();
    is_in = false;
    cluster[node].send(connection, pid.empty() || offset.empty() ? "40{" + more + "}"
                                                                 : R"(40{"pid":")" + pid + R"(","offset":")" + offset +
                                                                       "\"" + (more.empty() ? "" : "," + more) + "}");
  }
  /// Reads so many of the packets that have been sent to it; the rest is lost if the connection drops.
  void read(std::size_t packets = SIZE_MAX) {
    for (std::string& packet : cluster[node].received(connection)) unread.push_back(std::move(packet));
    for (; packets > 0 && !unread.empty(); --packets) {
      const std::string packet = std::move(unread.front());
      unread.pop_front();
      if (packet.starts_with("40{")) {
        const std::string new_sid = between(packet, R"("sid":")", "\"");
        recovered = new_sid == sid;
        sid = new_sid;
        pid = packet.find("pid") == std::string::npos ? "" : between(packet, R"("pid":")", "\"");
        is_in = true;
      } else if (packet.starts_with("42")) {
        offset = offset_in(packet);
        seen.push_back(std::stoi(between(packet, R"("e",)", ",")));
      }
    }
  }
  void drop() {
    cluster[node].drop(connection);
    forget_connection();
  }
  void forget_connection() {
    std::ignore = cluster[node].received(connection);
    unread.clear();
    is_in = false;
  }
  void send(const std::string& packet) { cluster[node].send(connection, packet); }

  Cluster& cluster;
  std::size_t node = 0;
  ConnectionId connection = 0;
  std::string sid{};
  std::string pid{};
  std::string offset{};
  bool is_in = false;
  bool recovered = false;
  std::deque<std::string> unread{};
  std::vector<int> seen{};
};

/// A client that has seen the event 1 on node 0, then lost its connection.
Client dropped(Cluster& cluster) {
  Client client(cluster);
  client.connect(0);
  client.send(R"(42["join","a"])");
  client.send(R"(42["data",7])");
  cluster.emit(0, 1);
  cluster.settle();
  client.read();
  client.drop();
  return client;
}

TEST(SocketIoRecovery, IsOffByDefault) {
  Cluster cluster(1, [](NodeOptions& options) { options.recovery_window = NodeOptions().recovery_window; });
  Client client(cluster);
  client.connect(0);
  cluster.emit(0, 1);
  EXPECT_THAT(cluster[0].received(client.connection), ElementsAre(Not(HasSubstr("pid")), R"(42["e",1])"));
}

TEST(SocketIoRecovery, GivesBackIdsRoomsDataAndWhatWasMissed) {
  for (const std::size_t to : {0U, 1U}) {
    Cluster cluster(2);
    Client client = dropped(cluster);
    cluster.emit(0, 2);
    cluster.emit(1, 3, "a");
    cluster.emit(1, 4, "b");
    cluster.emit(1, 5, client.sid);
    cluster.settle();
    client.connect(to);
    cluster.settle();
    client.read();
    cluster.emit(0, 6, "a");
    cluster.settle();
    client.read();
    EXPECT_TRUE(client.recovered);
    EXPECT_THAT(client.seen, ElementsAre(1, 2, 3, 5, 6));
    EXPECT_THAT(cluster.log, ElementsAre("new 1 0", "transport close", "back 2 7"));
  }
}

TEST(SocketIoRecovery, SendsWhatWasMissedBeforeTheConnectPacket) {
  Cluster cluster(1);
  Client client = dropped(cluster);
  cluster.emit(0, 2);
  client.connect(0);
  EXPECT_THAT(cluster[0].received(client.connection), ElementsAre(StartsWith(R"(42["e",2,)"), StartsWith("40{")));
}

TEST(SocketIoRecovery, RepeatsWhatOnlyThisSocketWasSent) {
  Cluster cluster(2);
  Client client(cluster);
  client.connect(0);
  client.send(R"(42["me",1])");
  client.read();
  client.send(R"(42["me",2])");
  cluster.emit(0, 3);
  client.send(R"(42["me",4])");
  client.drop();
  client.connect(1);
  cluster.settle();
  client.read();
  EXPECT_TRUE(client.recovered);
  EXPECT_THAT(client.seen, ElementsAre(1, 2, 3, 4));
}

TEST(SocketIoRecovery, EndsWithItsWindow) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  cluster[0].pass(seconds(121));
  client.connect(1);
  cluster.settle();
  client.read();
  EXPECT_FALSE(client.recovered);
  EXPECT_TRUE(client.is_in);
}

TEST(SocketIoRecovery, TakesASocketWhoseConnectionIsNotKnownToBeDead) {
  for (const std::size_t to : {0U, 1U}) {
    Cluster cluster(2);
    Client client(cluster);
    client.connect(0);
    cluster.emit(0, 1);
    client.read();
    cluster.emit(0, 2);
    client.forget_connection();
    const ConnectionId old = client.connection;
    client.connect(to);
    cluster.settle();
    client.read();
    EXPECT_TRUE(client.recovered);
    EXPECT_THAT(client.seen, ElementsAre(1, 2));
    EXPECT_THAT(cluster[0].received(old), ElementsAre(StartsWith("close:")));
    EXPECT_THAT(cluster.log, UnorderedElementsAre("new 1 0", "forced close", "back 1 0"));
    cluster[to].run([&](Node& node) { EXPECT_NE(node.of("/").find(client.sid), nullptr); });
  }
}

TEST(SocketIoRecovery, HappensOnce) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  Client thief = client;
  client.connect(1);
  cluster.settle();
  client.read();
  EXPECT_TRUE(client.recovered);
  client.send("41");
  thief.connect(0);
  cluster.settle();
  thief.read();
  EXPECT_FALSE(thief.recovered);
}

TEST(SocketIoRecovery, IsRefusedSilentlyForAnUnknownOffsetAndTheSessionStays) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  for (const char* offset : {"ff00", "x", "0"}) {
    Client other = client;
    other.offset = offset;
    other.connect(1);
    cluster.settle();
    other.read();
    EXPECT_TRUE(other.is_in);
    EXPECT_FALSE(other.recovered);
  }
  client.connect(1);
  cluster.settle();
  client.read();
  EXPECT_TRUE(client.recovered);
}

TEST(SocketIoRecovery, DoesNotFollowADisconnectOfEitherSide) {
  for (const char* last : {"41", R"(42["kick"])"}) {
    Cluster cluster(1);
    Client client(cluster);
    client.connect(0);
    cluster.emit(0, 1);
    client.read();
    client.send(last);
    client.forget_connection();
    client.connect(0);
    client.read();
    EXPECT_TRUE(client.is_in);
    EXPECT_FALSE(client.recovered);
  }
}

TEST(SocketIoRecovery, FollowsRoomsAndDisconnectionsOfThoseWhoAreAway) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  Client other = dropped(cluster);
  cluster[1].run([&](Node& node) {
    node.of("/").to(client.sid).sockets_join({"b"});
    node.of("/").to(client.sid).sockets_leave({"a"});
    node.of("/").to(other.sid).disconnect_sockets();
  });
  cluster.emit(1, 2, "a");
  cluster.emit(1, 3, "b");
  cluster.settle();
  client.connect(1);
  other.connect(0);
  cluster.settle();
  client.read();
  other.read();
  EXPECT_THAT(client.seen, ElementsAre(1, 1, 3));  // the second is the other's
  EXPECT_FALSE(other.recovered);
}

TEST(SocketIoRecovery, LeavesOffsetsAwayForThoseWhoWantNone) {
  Cluster cluster(1);
  Client client(cluster);
  client.connect(0, R"("recovery":false)");
  client.send(R"(42["me",1])");
  cluster.emit(0, 2);
  EXPECT_THAT(cluster[0].received(client.connection),
              ElementsAre(Not(HasSubstr("pid")), R"(42["e",1])", R"(42["e",2])"));
}

TEST(SocketIoRecovery, AsksTheMiddlewareAgainUnlessItIsToldNotTo) {
  Cluster cluster(1);
  Client client = dropped(cluster);
  client.connect(0, R"("token":"bad")");
  EXPECT_THAT(cluster[0].received(client.connection), ElementsAre(R"(44{"message":"no"})"));
  client.connect(0, R"("token":"good")");
  client.read();
  EXPECT_TRUE(client.recovered);

  Cluster trusting(1, [](NodeOptions& options) { options.recovery_skips_middleware = true; });
  Client trusted = dropped(trusting);
  trusted.connect(0, R"("token":"bad")");
  trusted.read();
  EXPECT_TRUE(trusted.recovered);
  EXPECT_EQ(trusting.middleware_calls, 1);
}

TEST(SocketIoRecovery, MissesNothingWhileTheMiddlewareThinks) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  cluster.hold = true;
  client.connect(1);
  cluster.settle();
  cluster.emit(0, 2);
  cluster.settle();
  ASSERT_EQ(cluster.held.size(), 1);
  cluster[1].run([&](Node&) { cluster.held[0](); });
  client.read();
  EXPECT_TRUE(client.recovered);
  EXPECT_THAT(client.seen, ElementsAre(1, 2));
}

TEST(SocketIoRecovery, IsBoundedInBytesASession) {
  Cluster cluster(2, [](NodeOptions& options) { options.recovery_bytes = 1000; });
  Client client = dropped(cluster);
  for (int i = 0; i < 100; ++i) cluster.emit(1, i);
  cluster.settle();
  client.connect(1);
  cluster.settle();
  client.read();
  EXPECT_TRUE(client.is_in);
  EXPECT_FALSE(client.recovered);
}

TEST(SocketIoRecovery, IsBoundedInSessionsThatAreKept) {
  Cluster cluster(1, [](NodeOptions& options) { options.recovery_bytes_total = 10'000; });
  Client first = dropped(cluster);
  for (int i = 0; i < 10; ++i) dropped(cluster);
  Client last = dropped(cluster);
  first.connect(0);
  first.read();
  EXPECT_FALSE(first.recovered);
  last.connect(0);
  last.read();
  EXPECT_TRUE(last.recovered);
}

TEST(SocketIoRecovery, GivesUpWhenANodeDoesNotAnswer) {
  Cluster cluster(2);
  Client client = dropped(cluster);
  client.connect(1);
  cluster[1].pass(seconds(6));
  client.read();
  EXPECT_TRUE(client.is_in);
  EXPECT_FALSE(client.recovered);
  cluster.settle();
  cluster.emit(0, 2, "a");
  cluster.settle();
  client.read();
  EXPECT_THAT(client.seen, ElementsAre(1));
}

TEST(SocketIoRecovery, ForgetsSessionsOfANodeThatHasNotBeenToldEverything) {
  Cluster cluster(1);
  Client client = dropped(cluster);
  cluster[0].run([](Node& node) { node.on_message(Overrun{}); });
  client.connect(0);
  client.read();
  EXPECT_FALSE(client.recovered);
}

/// Whatever the order in which nodes get to hear of things, and however often the connection breaks: a client is told,
/// and is in the rooms, as one that never lost its connection.
TEST(SocketIoRecovery, LosesNothingAndRepeatsNothingInAnyOrderOfSteps) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 chance(seed);
    const auto pick = [&](std::size_t count) { return chance() % count; };
    Cluster cluster(3);
    Client witness(cluster);
    witness.connect(0);
    witness.read();
    Client client(cluster);
    client.connect(pick(3));
    client.read();
    const std::string sid = client.sid;
    int value = 0;
    cluster.emit(0, ++value);
    cluster.settle();
    client.read();
    for (int i = 0; i < 150; ++i) {
      switch (pick(9)) {
        case 0:
        case 1:
          cluster.emit(pick(3), ++value, pick(2) == 0 ? "" : "a");
          break;
        case 8:
          cluster[pick(3)].run([&](Node& node) {
            if (pick(3) == 0)
              node.of("/").all().sockets_leave({"a"});
            else
              node.of("/").all().sockets_join({"a"});
          });
          break;
        case 2:
          client.read(pick(4));
          break;
        case 3:
          if (pick(2) == 0) {
            if (pick(3) == 0)
              client.forget_connection();  // half open
            else
              client.drop();
            client.connect(pick(3));
          }
          break;
        default:
          std::ignore = cluster.step(pick(3));
      }
      ASSERT_EQ(client.sid, sid);
    }
    cluster.settle();
    client.read();
    witness.read();
    ASSERT_EQ(client.seen, witness.seen);
  }
}

}  // namespace
}  // namespace famemely::socketio
