#pragma once

#include <cstddef>

#include "socketio/node_message.hpp"

namespace famemely::socketio {

/// How one node reaches the others. `Node::on_message` takes what comes.
class Adapter {
 public:
  virtual ~Adapter() = default;

  [[nodiscard]] virtual NodeId id() const = 0;
  [[nodiscard]] virtual std::size_t node_count() const = 0;
  /// Tells all nodes, this one included, in an order that is the same for all. This one has been told, and of all that
  /// comes before, when the call returns.
  virtual void publish(NodeMessage message) = 0;
  /// Tells one other node, in the same order.
  virtual void send(NodeId node, NodeMessage message) = 0;
};

}  // namespace famemely::socketio
