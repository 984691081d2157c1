#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "socketio/definitions.hpp"
#include "socketio/emitter.hpp"
#include "socketio/rooms.hpp"

namespace famemely::socketio {

class Node;
class Socket;

/// A namespace, seen from one node: what it sends goes to the sockets of all nodes. Used on the node's worker only; one
/// that is defined by a predicate goes with its last socket.
class Namespace {
 public:
  Namespace(Node& node, std::string name, const NamespaceDefinition* definition)
      : node_(node), name_(std::move(name)), definition_(definition) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Node& node() { return node_; }

  /// To everybody in it.
  [[nodiscard]] Emitter all() const { return {node_, Selection{name_, {}, {}}}; }
  [[nodiscard]] Emitter to(std::string room) const { return all().to(std::move(room)); }
  [[nodiscard]] Emitter in(std::string room) const { return to(std::move(room)); }
  [[nodiscard]] Emitter except(std::string room) const { return all().except(std::move(room)); }
  [[nodiscard]] Emitter local() const { return all().local(); }
  [[nodiscard]] Emitter as_volatile() const { return all().as_volatile(); }
  [[nodiscard]] Emitter compress(bool on) const { return all().compress(on); }
  [[nodiscard]] Emitter timeout(Duration duration) const { return all().timeout(duration); }
  template <typename... Value>
  void emit(std::string_view name, const Value&... value) const {
    all().emit(name, value...);
  }
  void fetch_sockets(FetchCallback callback) const { all().fetch_sockets(std::move(callback)); }

  /// Calls the `on_server_event` handlers of all other nodes.
  template <typename... Value>
  void server_side_emit(std::string name, const Value&... value) const {
    server_side_emit_values(std::move(name), values(value...));
  }
  void server_side_emit_values(std::string name, const Values& values) const;

  /// The sockets of this node.
  [[nodiscard]] std::vector<Socket*> local_sockets() const;
  /// A socket of this node.
  [[nodiscard]] Socket* find(const std::string& sid) const;

 private:
  friend class Node;
  friend class Socket;

  Node& node_;
  const std::string name_;
  const NamespaceDefinition* definition_;  // none where nobody can join
  Rooms rooms_;
  std::unordered_map<std::string, Socket*> sockets_;
  std::size_t pending_ = 0;  // not let in yet
};

}  // namespace famemely::socketio
