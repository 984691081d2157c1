#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/logger.hpp"
#include "base/result.hpp"
#include "socketio/node.hpp"

namespace famemely::serving {

struct SocketIoServerOptions {
  /// Addresses or names; empty: all addresses.
  std::vector<std::string> hosts;
  /// 0 picks a free one.
  std::uint16_t port = 3000;
  /// Threads, each with sockets of its own; at most 255.
  std::size_t workers = 1;
  /// Path, heartbeat, limits, CORS, requests beside Socket.IO.
  socketio::NodeOptions node;
  /// What the inbox of a worker holds of what others tell it.
  std::size_t inbox_bytes_max = 64'000'000;
  std::chrono::milliseconds shutdown_timeout{10'000};
  /// Where to log; none: nowhere.
  Logger* logger = nullptr;
};

/// A Socket.IO server of several threads.
///
/// Threads: define everything before `start`. A socket belongs to one worker for its life; its handlers, its timers and
/// the middleware run there, one at a time, and may use the socket, its namespace and its node without a lock. Handlers
/// of sockets on other workers run at the same time: what they share is the application's to guard. None may block.
/// From any other thread use `post`.
class SocketIoServer {
 public:
  explicit SocketIoServer(SocketIoServerOptions options);
  ~SocketIoServer();
  SocketIoServer(const SocketIoServer&) = delete;
  SocketIoServer& operator=(const SocketIoServer&) = delete;

  socketio::NamespaceDefinition& of(std::string_view name);
  socketio::NamespaceDefinition& of(socketio::NamespacePredicate predicate);
  /// Of the namespace `/`.
  socketio::NamespaceDefinition& on_connection(socketio::ConnectionHandler handler);

  /// Listens, and serves on threads of its own. The failure says what is in the way.
  [[nodiscard]] Result<void, std::string> start();
  /// Tells no new client in, closes the sockets over the time given, and waits for that. Their clients reconnect, if
  /// they can, elsewhere. Not to be called by a worker.
  void stop();
  /// `start`, then serves until SIGINT or SIGTERM, then `stop`.
  [[nodiscard]] Result<void, std::string> run();

  /// Once started: the port that is listened on.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t workers() const;
  /// Calls this on a worker. Callable from any thread while the server runs.
  void post(std::size_t worker, std::function<void(socketio::Node&)> call);

 private:
  class Running;

  SocketIoServerOptions options_;
  socketio::Definitions definitions_;
  std::unique_ptr<Running> running_;
};

}  // namespace famemely::serving
