#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "socketio/arguments.hpp"
#include "socketio/values.hpp"

namespace famemely::socketio {

class Socket;
class Namespace;
class Node;

/// The way on from a middleware: call it once, now or later, on the socket's worker. A copy that is never called leaves
/// the client waiting until its connect timeout.
class Next {
 public:
  using Decide = std::function<void(std::optional<std::string> refusal, const std::optional<Json>& data)>;
  explicit Next(Decide decide) : decide_(std::make_shared<Decide>(std::move(decide))) {}

  /// On to the next middleware, or in.
  void operator()() const;
  /// The client gets a `connect_error` with this message and `data`.
  void refuse(std::string message) const;
  void refuse(std::string message, const Json& data) const;

 private:
  void decide(std::optional<std::string> refusal, const std::optional<Json>& data) const;

  std::shared_ptr<Decide> decide_;
};

using Middleware = std::function<void(Socket&, Next)>;
using ConnectionHandler = std::function<void(Socket&)>;
using ServerEventHandler = std::function<void(Namespace&, const Arguments&)>;

/// What a namespace does. One definition serves all workers: its functions are called on the worker of the socket in
/// question, several at once, so what they share among workers is theirs to guard.
class NamespaceDefinition {
 public:
  /// Called for each socket that asks to join, one after the other in the order of definition.
  NamespaceDefinition& use(Middleware middleware) {
    middleware_.push_back(std::move(middleware));
    return *this;
  }
  /// Called for each socket that has been let in.
  NamespaceDefinition& on_connection(ConnectionHandler handler) {
    connection_.push_back(std::move(handler));
    return *this;
  }
  /// Called for what another node tells this one with `Namespace::server_side_emit`.
  NamespaceDefinition& on_server_event(std::string name, ServerEventHandler handler) {
    server_events_.emplace_back(std::move(name), std::move(handler));
    return *this;
  }

 private:
  friend class Node;
  std::vector<Middleware> middleware_;
  std::vector<ConnectionHandler> connection_;
  std::vector<std::pair<std::string, ServerEventHandler>> server_events_;
};

/// True for the names that are a namespace; `auth_json` is what the client says with it.
using NamespacePredicate = std::function<bool(std::string_view name, std::string_view auth_json)>;

/// All namespaces of a server. They are defined before it starts, and read only after that.
class Definitions {
 public:
  NamespaceDefinition& of(std::string_view name);
  /// All namespaces for which the predicate holds, and that are not defined by name. The first one that holds counts.
  NamespaceDefinition& of(NamespacePredicate predicate);

  [[nodiscard]] const NamespaceDefinition* find(std::string_view name, std::string_view auth_json) const;
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool has_predicates() const { return !dynamic_.empty(); }

 private:
  std::vector<std::pair<std::string, std::unique_ptr<NamespaceDefinition>>> named_;
  std::vector<std::pair<NamespacePredicate, std::unique_ptr<NamespaceDefinition>>> dynamic_;
};

}  // namespace famemely::socketio
