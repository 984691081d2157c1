#include "serving/in_process_cluster.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace famemely::serving {

void InProcessCluster::add(socketio::Node& node, WorkerLoop& loop) {
  members_.push_back(std::make_unique<Member>(*this, static_cast<socketio::NodeId>(members_.size()), node, loop));
  node.set_adapter(*members_.back());
}

void InProcessCluster::Member::publish(socketio::NodeMessage message) {
  const std::size_t bytes = socketio::weight(message);
  const auto shared = std::make_shared<const socketio::NodeMessage>(std::move(message));
  {
    const std::lock_guard lock(cluster_.mutex_);
    for (const auto& member : cluster_.members_) {
      member->put(shared, bytes);
      if (member.get() != this) member->wake();
    }
  }
  drain();
}

void InProcessCluster::Member::send(socketio::NodeId node, socketio::NodeMessage message) {
  const std::size_t bytes = socketio::weight(message);
  const auto shared = std::make_shared<const socketio::NodeMessage>(std::move(message));
  const std::lock_guard lock(cluster_.mutex_);
  cluster_.members_[node]->put(shared, bytes);
  cluster_.members_[node]->wake();
}

void InProcessCluster::Member::put(const Message& message, std::size_t bytes) {
  static const Message overrun = std::make_shared<const socketio::NodeMessage>(socketio::Overrun{});
  if (inbox_bytes_ > cluster_.inbox_bytes_max_) return;  // it is told already
  inbox_bytes_ += bytes;
  if (inbox_bytes_ > cluster_.inbox_bytes_max_)
    inbox_.assign(1, overrun);
  else
    inbox_.push_back(message);
}

void InProcessCluster::Member::wake() {
  if (std::exchange(awake_, true)) return;
  boost::asio::post(loop_.context(), [this] {
    Turns& turns = loop_.turns();
    turns.begin();
    node_.within(turns.now(), turns.effects(), [this] { drain(); });
    turns.settle();
    turns.schedule_end();
  });
}

void InProcessCluster::Member::drain() {
  // A message may make its node tell something; that comes in its turn.
  if (std::exchange(draining_, true)) return;
  for (;;) {
    std::vector<Message> taken;
    {
      const std::lock_guard lock(cluster_.mutex_);
      taken.swap(inbox_);
      inbox_bytes_ = 0;
      if (taken.empty()) {
        awake_ = false;
        break;
      }
    }
    for (const Message& message : taken) node_.on_message(*message);
  }
  draining_ = false;
}

}  // namespace famemely::serving
