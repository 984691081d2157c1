#pragma once

#include <any>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "protocol/socketio/effects.hpp"
#include "socketio/arguments.hpp"
#include "socketio/emitter.hpp"
#include "socketio/handshake.hpp"
#include "socketio/timers.hpp"
#include "socketio/values.hpp"

namespace famemely::socketio {

class Namespace;
class Node;

/// Answers an event, if the client wants that: once, now or later, on the socket's worker.
class Reply {
 public:
  Reply(Node& node, SocketId socket, std::optional<std::uint64_t> ack_id)
      : state_(std::make_shared<State>(State{&node, socket, ack_id})) {}

  /// True if the client waits for an answer, and has none yet.
  [[nodiscard]] explicit operator bool() const { return state_->ack_id.has_value(); }

  template <typename... Value>
  void operator()(const Value&... value) const {
    send(values(value...));
  }
  void send(const Values& values) const;

 private:
  struct State {
    Node* node;
    SocketId socket;
    std::optional<std::uint64_t> ack_id;
  };
  std::shared_ptr<State> state_;
};

enum class AckError {
  timed_out,
  disconnected,  // the socket went before the client answered
  not_sent,      // the socket is gone, or too many acknowledgements are due from it
};
using AckCallback = std::function<void(const Result<Arguments, AckError>&)>;

using EventHandler = std::function<void(const Arguments&, const Reply&)>;
using AnyEventHandler = std::function<void(const std::string& name, const Arguments&)>;
using DisconnectHandler = std::function<void(DisconnectReason)>;

/// One client in one namespace. Used on its worker only, within calls of the application; it lives until its disconnect
/// handlers have returned, so what it calls may refer to it.
class Socket {
 public:
  Socket(Node& node, Namespace& nsp, SocketId socket, Handshake handshake);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// What the client knows itself by; empty until it has been let in.
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] Namespace& nsp() { return nsp_; }
  [[nodiscard]] const Handshake& handshake() const { return handshake_; }
  /// What CONNECT brought under this key of `auth`; nothing without it.
  [[nodiscard]] std::optional<std::string> auth(std::string_view key) const;
  [[nodiscard]] std::optional<Transport> transport() const;
  [[nodiscard]] bool connected() const { return connected_; }
  /// The application's own. Other nodes get copies of it with `fetch_sockets`.
  [[nodiscard]] std::any& data() { return data_; }

  // --- events ---

  /// The handler takes `(const Arguments&, const Reply&)`, `(const Arguments&)`, or nothing.
  template <typename Handler>
  void on(std::string name, Handler handler) {
    add_handler(std::move(name), adapt(std::move(handler)), false);
  }
  template <typename Handler>
  void once(std::string name, Handler handler) {
    add_handler(std::move(name), adapt(std::move(handler)), true);
  }
  void off(const std::string& name) { handlers_.erase(name); }
  /// Called for every event, before the handlers of its name.
  void on_any(AnyEventHandler handler) { any_.push_back(std::move(handler)); }
  /// The socket is still in its rooms.
  void on_disconnecting(DisconnectHandler handler) { disconnecting_.push_back(std::move(handler)); }
  void on_disconnect(DisconnectHandler handler) { disconnect_.push_back(std::move(handler)); }

  // --- sending ---

  /// False if the socket is gone. A client that does not keep up is closed, as a slow consumer.
  template <typename... Value>
  bool emit(std::string_view name, const Value&... value) {
    return emit_values(name, values(value...));
  }
  bool emit_values(std::string_view name, const Values& values);
  /// Not sent if the client is behind.
  template <typename... Value>
  bool emit_volatile(std::string_view name, const Value&... value) {
    return send(name, values(value...), true);
  }
  /// The callback is called once: with what the client answered, or why it did not. Without a timeout it waits as long
  /// as the socket is there.
  void emit_with_ack(std::string_view name, const Values& values, AckCallback callback,
                     std::optional<Duration> timeout = std::nullopt);

  /// All others of the namespace; of a room; …
  [[nodiscard]] Emitter broadcast() const;
  [[nodiscard]] Emitter to(std::string room) const { return broadcast().to(std::move(room)); }
  [[nodiscard]] Emitter in(std::string room) const { return to(std::move(room)); }
  [[nodiscard]] Emitter except(std::string room) const { return broadcast().except(std::move(room)); }

  // --- rooms and the end ---

  void join(const std::string& room);
  void leave(const std::string& room);
  [[nodiscard]] std::vector<std::string> rooms() const;
  /// Leaves the namespace; or, with `close`, closes the whole connection of the client, which then comes back.
  void disconnect(bool close = false);

 private:
  friend class Node;
  friend class Reply;

  struct Handler {
    std::shared_ptr<const EventHandler> call;
    bool once;
  };
  struct PendingAck {
    AckCallback callback;
    std::optional<Timers::Id> timer;
    bool shared = false;  // asked for by a broadcast of `origin`
    NodeId origin = 0;
  };

  template <typename Handler>
  static EventHandler adapt(Handler handler) {
    if constexpr (std::invocable<Handler&, const Arguments&, const Reply&>)
      return handler;
    else if constexpr (std::invocable<Handler&, const Arguments&>)
      return [handler = std::move(handler)](const Arguments& args, const Reply&) mutable { handler(args); };
    else
      return [handler = std::move(handler)](const Arguments&, const Reply&) mutable { handler(); };
  }
  void add_handler(std::string name, EventHandler handler, bool once);
  void dispatch(const std::string& name, const Arguments& args, const Reply& reply);
  bool send(std::string_view name, const Values& values, bool is_volatile);

  Node& node_;
  Namespace& nsp_;
  const SocketId socket_;
  std::string id_;
  Handshake handshake_;
  bool connected_ = false;
  std::any data_;
  std::unordered_map<std::string, std::vector<Handler>> handlers_;
  std::vector<AnyEventHandler> any_;
  std::vector<DisconnectHandler> disconnecting_;
  std::vector<DisconnectHandler> disconnect_;
  std::unordered_map<std::uint32_t, PendingAck> acks_;
  std::vector<EventReceived> early_;  // sent before the client was let in
};

}  // namespace famemely::socketio
