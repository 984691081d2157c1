#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "protocol/socketio/server.hpp"
#include "protocol/socketio/service.hpp"
#include "socketio/ack_collector.hpp"
#include "socketio/adapter.hpp"
#include "socketio/definitions.hpp"
#include "socketio/namespace.hpp"
#include "socketio/sent_log.hpp"
#include "socketio/sessions.hpp"
#include "socketio/socket.hpp"
#include "socketio/socket_closer.hpp"
#include "socketio/timers.hpp"

namespace famemely::socketio {

struct NodeOptions {
  /// Path, heartbeat, limits. Its namespaces are those of the definitions.
  Options server;
  /// Origins whose pages may connect; `*` stands for all.
  std::vector<std::string> cors_origins;
  /// Answers requests that are not for the Socket.IO path; without it they get 404.
  std::function<HttpResponse(const HttpRequest&)> on_request;

  /// How long a socket whose connection dropped can be recovered; 0: Connection State Recovery is off. Once it is on,
  /// events carry an offset as one more argument, but for clients that connect with `auth: {recovery: false}`.
  Duration recovery_window{};
  /// Of what one client has missed; it recovers nothing if that is more.
  std::size_t recovery_bytes = 1'000'000;
  /// Of all that is kept for recovery, by all workers together. Past it the oldest goes.
  std::size_t recovery_bytes_total = 256'000'000;
  /// The middleware is not asked about a socket that is recovered.
  bool recovery_skips_middleware = false;
};

/// The library's face of one worker, without I/O: sockets with their rooms and handlers above `socketio::Server`.
/// It calls the application's handlers, which may call everything here; what they throw is logged.
class Node final : public Service {
 public:
  /// The definitions must not change any more.
  Node(const NodeOptions& options, const Definitions& definitions, RandomSource& random, Logger& logger);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Before anything else is called; without one the node is alone.
  void set_adapter(Adapter& adapter) { adapter_ = &adapter; }

  // --- for the application, within its handlers and `within` ---

  [[nodiscard]] NodeId id() const { return adapter_->id(); }
  /// The namespace, whether there is anybody in it or not.
  [[nodiscard]] Namespace& of(std::string_view name);
  /// When the present call began.
  [[nodiscard]] Now present() const { return now_; }
  Timers::Id after(Duration duration, std::function<void()> call);
  void cancel(Timers::Id timer) { timers_.cancel(timer); }
  [[nodiscard]] std::size_t connection_count() const { return server_.connection_count(); }

  // --- for whoever runs it ---

  /// Calls what may then use the node: handlers and messages of other nodes come in this way.
  template <typename Call>
  void within(Now now, Effects& effects, Call&& call);
  /// What the adapter brings, within `within`. It calls no handler before the end of that.
  void on_message(const NodeMessage& message);

  [[nodiscard]] Server& transports() override { return server_; }
  void process(Now now, Effects& effects) override;
  void on_request(ConnectionId connection, HttpRequest request, Now now, Effects& effects) override;
  void on_request_abandoned(ConnectionId) override {}
  void decorate(HttpResponse& response, const RequestSite& site) const override;
  [[nodiscard]] std::optional<HttpResponse> refuse_handshake(const RequestSite&) const override { return std::nullopt; }
  void on_turned_away(std::string_view, const HttpResponse&, Now) override {}
  void on_timer(Now now, Effects& effects) override;
  [[nodiscard]] Instant next_deadline() const override;
  void begin_shutdown(Now now, Effects& effects) override;
  void begin_closing(Now now, Instant done_by, Effects& effects) override;
  [[nodiscard]] bool idle() const override { return server_.connection_count() == 0; }

 private:
  friend class Emitter;
  friend class Namespace;
  friend class Socket;
  friend class Reply;

  struct Fetch {
    std::size_t nodes_due;
    std::vector<RemoteSocket> sockets;
    FetchCallback callback;
    Timers::Id timer;
  };
  /// The sockets of a selection, and the numbers of sessions without one.
  struct Selected {
    std::vector<Socket*> sockets;
    std::vector<Sessions::Number> kept;
  };
  /// A session on its way to this node.
  struct Move {
    SessionWanted wanted;
    SocketId socket;
    std::size_t nodes_due;
    Timers::Id timer;
    bool notes = false;  // what comes after the question
    std::vector<NodeMessage> meanwhile{};
    std::size_t bytes = 0;
    bool too_much = false;
  };

  // node.cpp: sockets come, speak and go
  void on_connect(const ConnectRequested& request);
  void run_middleware(SocketId id, std::size_t next);
  void let_in(Socket& socket);
  void on_event(EventReceived& event);
  void deliver(Socket& socket, EventReceived& event);
  void on_ack(AckReceived& ack);
  void on_disconnected(const SocketDisconnected& gone);
  void bury(SocketId id);
  [[nodiscard]] Socket* find(SocketId id) const;
  template <typename Call>
  void guard(std::string_view what, Call&& call);
  void finish_calls();

  // node_sending.cpp: what sockets and emitters want
  bool send(Socket& socket, const Frame& frame, bool is_volatile);
  void ask(Socket& socket, std::string_view name, const Values& values, AckCallback callback,
           std::optional<Duration> timeout);
  void finish_ack(Socket& socket, std::uint32_t ack_id, const Result<Arguments, AckError>& outcome);
  void answer(SocketId socket, std::uint64_t ack_id, const Values& values);
  void disconnect(Socket& socket, bool close);

  bool emit(Socket& socket, std::string_view name, const Values& values, bool is_volatile);
  void broadcast(const Broadcast& broadcast, const Selected& selected);

  // node_recovery.cpp: sessions outlive their sockets
  [[nodiscard]] bool recovers() const { return options_.recovery_window > Duration::zero(); }
  [[nodiscard]] EventNumber next_event();
  [[nodiscard]] static Frame encode(std::string_view nsp, std::string_view name, const Values& values, bool compress,
                                    EventNumber event);
  void want_session(Socket& socket, const RecoveryRequest& request);
  void go_on_connecting(SocketId id, std::optional<Sessions::Number> number, EventNumber seen);
  [[nodiscard]] Acceptance admit(Socket& socket, std::vector<Frame>& missed);
  [[nodiscard]] Sessions::Number keep_moved(const SessionWanted& wanted, const MovedSession& moved);
  void keep_session(Socket& socket);
  void keep(Sessions::Number number, std::size_t rooms);
  void change_room(Sessions::Number number, const std::string& room, bool join);
  void end_session(Sessions::Number number);
  void end_sessions();
  void keep_within_bounds();
  [[nodiscard]] SentLog::Limits log_limits() const;
  [[nodiscard]] Instant recovery_deadline() const;
  void note(const NodeMessage& message);
  void catch_up(Sessions::Number number, const NodeMessage& message);
  void finish_move(RequestNumber request, const std::optional<MovedSession>& moved);
  void answer(const SessionWanted& wanted);
  [[nodiscard]] std::optional<MovedSession> take_session(const SessionWanted& wanted);
  void on(const SessionWanted& wanted);
  void on(const SessionGiven& given);

  // node_cluster.cpp: what nodes tell each other
  void tell(NodeMessage message, bool local);
  void tell_node(NodeId node, NodeMessage message);
  [[nodiscard]] RequestNumber next_request();
  [[nodiscard]] RequestNumber await_acks(bool local, Duration timeout, BroadcastCallback callback);
  [[nodiscard]] RequestNumber await_sockets(bool local, Duration timeout, FetchCallback callback);
  void finish_broadcast(RequestNumber request);
  void finish_fetch(RequestNumber request);
  [[nodiscard]] Selected select(const Selection& selection) const;
  void on(const Broadcast& broadcast);
  void await_shared_acks(const Broadcast& broadcast, const std::vector<Socket*>& sockets);
  void on(const RoomChange& change);
  void on(const DisconnectSockets& disconnect);
  void on(const FetchSockets& fetch);
  void on(const ServerEvent& event);
  void on(const SocketsFetched& fetched);
  void on(const AcksExpected& expected);
  void on(const AckGiven& given);
  void on(const Overrun& overrun);

  NodeOptions options_;
  const Definitions& definitions_;
  RandomSource& random_;
  Logger& logger_;
  Server server_;
  std::unique_ptr<Adapter> alone_;
  Adapter* adapter_;
  Now now_{};
  Effects* effects_ = nullptr;                    // while something is called
  std::vector<std::unique_ptr<Socket>> sockets_;  // by slot
  std::vector<std::unique_ptr<Socket>> buried_;   // their handlers may still be running
  std::unordered_map<std::string, std::unique_ptr<Namespace>> namespaces_;
  std::unordered_set<std::string> perhaps_unused_;  // namespaces
  std::vector<std::function<void()>> deferred_;     // calls of handlers that wait for the end of a call
  std::vector<ApplicationEffect> taken_;            // scratch of `process`
  Timers timers_;
  AckCollector acks_;
  std::unordered_map<RequestNumber, Fetch> fetches_;
  RequestNumber last_request_ = 0;
  Sessions sessions_;
  SentLog log_;
  std::vector<Move> moves_;  // in the order of their questions
  EventNumber last_event_ = 0;
  SocketCloser closer_;
  bool shutting_down_ = false;
  bool closing_ = false;
};

template <typename Call>
void Node::within(Now now, Effects& effects, Call&& call) {
  if (effects_) return call();
  now_ = now;
  effects_ = &effects;
  call();
  finish_calls();
  effects_ = nullptr;
}

template <typename Call>
void Node::guard(std::string_view what, Call&& call) {
  try {
    call();
  } catch (const std::exception& error) {
    logger_.error("handler failed", {{"of", what}, {"error", error.what()}});
  }
}

}  // namespace famemely::socketio
