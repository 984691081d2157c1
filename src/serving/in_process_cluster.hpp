#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "serving/worker_loop.hpp"
#include "socketio/node.hpp"

namespace famemely::serving {

/// Connects the nodes of one process, a node a worker. What they tell each other is put in one order under one lock:
/// every node's inbox gets it in that order, and who tells something has been told everything up to it when the call
/// returns. So a client gets two broadcasts in the same order as every other client, whatever workers they are on.
///
/// An inbox is bounded. A node that is so far behind is told no more, but `Overrun`: it closes its connections.
class InProcessCluster {
 public:
  explicit InProcessCluster(std::size_t inbox_bytes_max) : inbox_bytes_max_(inbox_bytes_max) {}

  /// All nodes are added before any runs. Both must outlive the cluster's use.
  void add(socketio::Node& node, WorkerLoop& loop);

 private:
  using Message = std::shared_ptr<const socketio::NodeMessage>;

  class Member final : public socketio::Adapter {
   public:
    Member(InProcessCluster& cluster, socketio::NodeId id, socketio::Node& node, WorkerLoop& loop)
        : cluster_(cluster), id_(id), node_(node), loop_(loop) {}

    [[nodiscard]] socketio::NodeId id() const override { return id_; }
    [[nodiscard]] std::size_t node_count() const override { return cluster_.members_.size(); }
    void publish(socketio::NodeMessage message) override;
    void send(socketio::NodeId node, socketio::NodeMessage message) override;

   private:
    friend class InProcessCluster;
    /// Tells the node what is in its inbox, on its worker, within `Node::within`.
    void drain();
    /// Under the lock.
    void put(const Message& message, std::size_t bytes);
    void wake();

    InProcessCluster& cluster_;
    const socketio::NodeId id_;
    socketio::Node& node_;
    WorkerLoop& loop_;
    std::vector<Message> inbox_;  // this and the next two: under the lock
    std::size_t inbox_bytes_ = 0;
    bool awake_ = false;
    bool draining_ = false;  // the worker's
  };

  const std::size_t inbox_bytes_max_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace famemely::serving
