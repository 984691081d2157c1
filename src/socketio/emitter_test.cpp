#include "socketio/emitter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "socketio/test_bench.hpp"

namespace famemely::socketio {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// Two nodes, told everything in one order.
class Cluster {
 public:
  Cluster() {
    for (NodeBench* bench : {&one, &two}) {
      members_.push_back(std::make_unique<Member>(*this, static_cast<NodeId>(members_.size())));
      bench->node.set_adapter(*members_.back());
    }
  }

  void run(const std::function<void(Node&)>& call) {
    one.run(call);
    settle();
  }
  void settle() {
    while (!queue_.empty()) {
      const auto [to, message] = std::move(queue_.front());
      queue_.pop_front();
      (to == 0 ? one : two).run([&](Node& node) { node.on_message(message); });
    }
  }

  std::vector<Socket*> sockets;
  std::vector<std::string> told;
  Definitions definitions;
  NodeBench one{define(), options(0)};
  NodeBench two{definitions, options(1)};

 private:
  const Definitions& define() {
    definitions.of("/")
        .on_connection([this](Socket& socket) { sockets.push_back(&socket); })
        .on_server_event("hello", [this](Namespace& nsp, const Arguments& args) {
          told.push_back(std::to_string(nsp.node().id()) + std::string(args.raw(0)));
        });
    return definitions;
  }
  class Member final : public Adapter {
   public:
    Member(Cluster& cluster, NodeId id) : cluster_(cluster), id_(id) {}
    [[nodiscard]] NodeId id() const override { return id_; }
    [[nodiscard]] std::size_t node_count() const override { return 2; }
    void publish(NodeMessage message) override {
      cluster_.queue_.emplace_back(id_ == 0 ? 1 : 0, message);
      (id_ == 0 ? cluster_.one : cluster_.two).node.on_message(message);
    }
    void send(NodeId node, NodeMessage message) override { cluster_.queue_.emplace_back(node, std::move(message)); }

   private:
    Cluster& cluster_;
    NodeId id_;
  };
  static NodeOptions options(std::uint8_t owner) {
    NodeOptions options;
    options.server.owner = owner;
    return options;
  }

  std::vector<std::unique_ptr<Member>> members_;
  std::deque<std::pair<NodeId, NodeMessage>> queue_;
};

TEST(SocketIoEmitter, ReachesRoomsOnAllNodesEachSocketOnce) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  const ConnectionId b = cluster.two.join();
  const ConnectionId c = cluster.two.join();
  cluster.sockets[0]->join("x");
  cluster.sockets[1]->join("x");
  cluster.sockets[1]->join("y");
  cluster.run([](Node& node) { node.of("/").to("x").to("y").emit("news", 1); });
  EXPECT_THAT(cluster.one.received(a), ElementsAre(R"(42["news",1])"));
  EXPECT_THAT(cluster.two.received(b), ElementsAre(R"(42["news",1])"));
  EXPECT_THAT(cluster.two.received(c), IsEmpty());
}

TEST(SocketIoEmitter, LeavesOutRoomsAndTheSenderItself) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  const ConnectionId b = cluster.one.join();
  const ConnectionId c = cluster.two.join();
  cluster.sockets[1]->join("x");
  cluster.run([&](Node&) { cluster.sockets[0]->except("x").emit("news"); });
  EXPECT_THAT(cluster.one.received(a), IsEmpty());
  EXPECT_THAT(cluster.one.received(b), IsEmpty());
  EXPECT_THAT(cluster.two.received(c), ElementsAre(R"(42["news"])"));
}

TEST(SocketIoEmitter, StaysOnTheNodeIfAsked) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  const ConnectionId b = cluster.two.join();
  cluster.run([](Node& node) { node.of("/").local().emit("news"); });
  EXPECT_THAT(cluster.one.received(a), SizeIs(1));
  EXPECT_THAT(cluster.two.received(b), IsEmpty());
}

TEST(SocketIoEmitter, CollectsAcknowledgementsOfAllNodes) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  const ConnectionId b = cluster.two.join();
  std::vector<BroadcastAnswers> results;
  cluster.run([&](Node& node) {
    node.of("/").all().emit_with_ack("ask", values(),
                                     [&](const BroadcastAnswers& answers) { results.push_back(answers); });
  });
  const std::string asked = cluster.one.received(a).at(0);
  EXPECT_THAT(cluster.two.received(b), ElementsAre(asked));
  const std::string id = asked.substr(2, asked.find('[') - 2);
  cluster.one.send(a, "43" + id + "[1]");
  cluster.settle();
  EXPECT_THAT(results, IsEmpty());
  cluster.two.send(b, "43" + id + "[2]");
  cluster.settle();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_TRUE(results[0].complete());
  EXPECT_THAT(results[0].answers, SizeIs(2));
}

TEST(SocketIoEmitter, NamesWhoDidNotAcknowledgeInTime) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  cluster.two.join();
  std::vector<BroadcastAnswers> results;
  cluster.run([&](Node& node) {
    node.of("/").timeout(seconds(2)).emit_with_ack("ask", values(), [&](const BroadcastAnswers& answers) {
      results.push_back(answers);
    });
  });
  const std::string asked = cluster.one.received(a).at(0);
  cluster.one.send(a, "43" + asked.substr(2, asked.find('[') - 2) + "[1]");
  cluster.one.pass(seconds(2));
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].answers, SizeIs(1));
  EXPECT_THAT(results[0].missing, ElementsAre(cluster.sockets[1]->id()));
}

TEST(SocketIoEmitter, DoesNotWaitForThoseWhoHaveGone) {
  Cluster cluster;
  const ConnectionId b = cluster.two.join();
  std::vector<BroadcastAnswers> results;
  cluster.run([&](Node& node) {
    node.of("/").all().emit_with_ack("ask", values(),
                                     [&](const BroadcastAnswers& answers) { results.push_back(answers); });
  });
  cluster.two.drop(b);
  cluster.settle();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].missing, SizeIs(1));
}

TEST(SocketIoEmitter, FetchesTheSocketsOfAllNodesWithTheirData) {
  Cluster cluster;
  cluster.one.join();
  cluster.two.join();
  cluster.sockets[1]->data() = std::string("bob");
  cluster.sockets[1]->join("x");
  std::vector<std::string> found;
  cluster.run([&](Node& node) {
    node.of("/").fetch_sockets([&](const std::vector<RemoteSocket>& sockets) {
      for (const RemoteSocket& socket : sockets) {
        const auto* name = std::any_cast<std::string>(&socket.data);
        found.push_back((name ? *name : "?") + std::to_string(socket.rooms.size()));
      }
    });
  });
  EXPECT_THAT(found, UnorderedElementsAre("?1", "bob2"));
}

TEST(SocketIoEmitter, MovesAndDisconnectsSocketsOfAllNodes) {
  Cluster cluster;
  const ConnectionId a = cluster.one.join();
  const ConnectionId b = cluster.two.join();
  cluster.run([](Node& node) { node.of("/").all().sockets_join({"x"}); });
  cluster.run([&](Node& node) { node.of("/").in(cluster.sockets[1]->id()).sockets_leave({"x"}); });
  cluster.run([](Node& node) { node.of("/").in("x").disconnect_sockets(); });
  EXPECT_THAT(cluster.one.received(a), ElementsAre("41"));
  EXPECT_THAT(cluster.two.received(b), IsEmpty());
}

TEST(SocketIoEmitter, NodesTellEachOtherButNotThemselves) {
  Cluster cluster;
  cluster.run([](Node& node) { node.of("/").server_side_emit("hello", 5); });
  EXPECT_THAT(cluster.told, ElementsAre("15"));
}

}  // namespace
}  // namespace famemely::socketio
