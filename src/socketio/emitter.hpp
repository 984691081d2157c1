#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "socketio/node_message.hpp"
#include "socketio/values.hpp"

namespace famemely::socketio {

class Node;

/// What the recipients of a broadcast have acknowledged.
struct BroadcastAnswers {
  struct Answer {
    std::string sid;
    Arguments args;
  };
  std::vector<Answer> answers;
  std::vector<std::string> missing;  // sids of those who did not answer in time, or have gone
  bool node_missing = false;         // a whole node has not answered

  [[nodiscard]] bool complete() const { return missing.empty() && !node_missing; }
};
using BroadcastCallback = std::function<void(const BroadcastAnswers&)>;
using FetchCallback = std::function<void(const std::vector<RemoteSocket>&)>;

/// Says to whom, and how: `nsp.to("room").except("other").as_volatile().emit("news", 1)`. A value; each function makes
/// another. For the worker that made it, within one call of the application.
class Emitter {
 public:
  Emitter(Node& node, Selection selection) : node_(&node), selection_(std::move(selection)) {}

  /// To those in the room; several rooms make a union.
  [[nodiscard]] Emitter to(std::string room) const;
  [[nodiscard]] Emitter in(std::string room) const { return to(std::move(room)); }
  /// But not to those in this room. Each socket is alone in the room of its id.
  [[nodiscard]] Emitter except(std::string room) const;
  /// To sockets of this node (worker) only.
  [[nodiscard]] Emitter local() const;
  /// A client that is behind does not get it: one whose queue is not empty.
  [[nodiscard]] Emitter as_volatile() const;
  /// Whether WebSockets may compress it; they do if they have agreed to and it is large enough.
  [[nodiscard]] Emitter compress(bool on) const;
  /// How long `emit_with_ack` and `fetch_sockets` wait.
  [[nodiscard]] Emitter timeout(Duration duration) const;

  template <typename... Value>
  void emit(std::string_view name, const Value&... value) const {
    emit_values(name, values(value...));
  }
  void emit_values(std::string_view name, const Values& values) const;
  /// The callback gets what all recipients have answered, or at the timeout what there is.
  void emit_with_ack(std::string_view name, const Values& values, BroadcastCallback callback) const;

  /// The callback gets the selected sockets of all nodes, or at the timeout what there is.
  void fetch_sockets(FetchCallback callback) const;
  void sockets_join(std::vector<std::string> rooms) const;
  void sockets_leave(std::vector<std::string> rooms) const;
  void disconnect_sockets(bool close = false) const;

 private:
  void tell(NodeMessage message) const;

  static constexpr std::chrono::seconds kTimeout{10};

  Node* node_;
  Selection selection_;
  Duration timeout_ = kTimeout;
  bool local_ = false;
  bool volatile_ = false;
  bool compress_ = true;
};

}  // namespace famemely::socketio
