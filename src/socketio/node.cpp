#include "socketio/node.hpp"

#include <algorithm>

namespace famemely::socketio {
namespace {

/// Events that a client may send before it has been let in: they wait for that.
constexpr std::size_t kEarlyEventsMax = 64;

/// The one node that there is.
class Alone final : public Adapter {
 public:
  explicit Alone(Node& node) : node_(node) {}

  [[nodiscard]] NodeId id() const override { return 0; }
  [[nodiscard]] std::size_t node_count() const override { return 1; }
  void publish(NodeMessage message) override { node_.on_message(message); }
  void send(NodeId, NodeMessage message) override { node_.on_message(message); }

 private:
  Node& node_;
};

bool declines_recovery(std::string_view auth_json) {
  const auto auth = JsonView::parse(auth_json);
  const auto recovery = auth ? auth->find("recovery") : std::nullopt;
  return recovery && recovery->raw() == "false";
}

Options server_options(Options options, const Definitions& definitions) {
  options.namespaces = definitions.names();
  options.dynamic_namespaces = definitions.has_predicates();
  return options;
}

}  // namespace

Node::Node(const NodeOptions& options, const Definitions& definitions, RandomSource& random, Logger& logger)
    : options_(options),
      definitions_(definitions),
      random_(random),
      logger_(logger),
      server_(server_options(options.server, definitions), random),
      alone_(std::make_unique<Alone>(*this)),
      adapter_(alone_.get()) {}

Node::~Node() = default;

Namespace& Node::of(std::string_view name) {
  std::string full = name.starts_with('/') ? std::string(name) : "/" + std::string(name);
  std::unique_ptr<Namespace>& place = namespaces_[full];
  if (!place) {
    perhaps_unused_.insert(full);
    place = std::make_unique<Namespace>(*this, std::move(full), nullptr);
  }
  return *place;
}

Timers::Id Node::after(Duration duration, std::function<void()> call) {
  return timers_.add(now_.instant + duration, [this, call = std::move(call)] { guard("timer", [&] { call(); }); });
}

Socket* Node::find(SocketId id) const {
  if (id.slot >= sockets_.size() || !sockets_[id.slot]) return nullptr;
  return sockets_[id.slot]->socket_ == id ? sockets_[id.slot].get() : nullptr;
}

// --- what the server tells ---

void Node::process(Now now, Effects& effects) {
  within(now, effects, [&] {
    while (!effects.for_application.empty()) {
      taken_.swap(effects.for_application);
      for (ApplicationEffect& effect : taken_) {
        if (auto* event = std::get_if<EventReceived>(&effect))
          on_event(*event);
        else if (auto* ack = std::get_if<AckReceived>(&effect))
          on_ack(*ack);
        else if (const auto* request = std::get_if<ConnectRequested>(&effect))
          on_connect(*request);
        else if (const auto* gone = std::get_if<SocketDisconnected>(&effect))
          on_disconnected(*gone);
      }
      taken_.clear();
    }
  });
}

/// After whatever has been called: handlers that others wanted called, then what nobody refers to any more goes.
void Node::finish_calls() {
  while (!deferred_.empty()) {
    for (const std::function<void()>& call : std::exchange(deferred_, {})) call();
  }
  buried_.clear();
  for (const std::string& name : std::exchange(perhaps_unused_, {})) {
    const auto found = namespaces_.find(name);
    if (found != namespaces_.end() && found->second->sockets_.empty() && found->second->pending_ == 0 &&
        found->second->kept_ == 0)
      namespaces_.erase(found);
  }
}

void Node::on_connect(const ConnectRequested& request) {
  const NamespaceDefinition* definition = nullptr;
  guard(request.nsp, [&] { definition = definitions_.find(request.nsp, request.auth_json); });
  // Not refused: after that, clients do not try elsewhere by themselves.
  if (shutting_down_)
    return server_.close_transport(request.socket, DisconnectReason::server_shutting_down, now_, *effects_);
  if (!definition) return server_.refuse(request.socket, "Invalid namespace");
  Namespace& nsp = of(request.nsp);
  nsp.definition_ = definition;
  ++nsp.pending_;
  if (sockets_.size() <= request.socket.slot) sockets_.resize(request.socket.slot + 1);
  sockets_[request.socket.slot] =
      std::make_unique<Socket>(*this, nsp, request.socket,
                               Handshake{request.auth_json, request.handshake.authorization, request.handshake.origin,
                                         request.handshake.remote_address, now_.wall, request.transport});
  Socket& socket = *sockets_[request.socket.slot];
  socket.takes_offsets_ = recovers() && !declines_recovery(request.auth_json);
  if (socket.takes_offsets_ && request.recovery)
    want_session(socket, *request.recovery);
  else
    run_middleware(request.socket, 0);
}

void Node::run_middleware(SocketId id, std::size_t next) {
  Socket* socket = find(id);
  if (!socket || socket->connected_) return;
  const auto& middleware = socket->nsp_.definition_->middleware_;
  if (next == middleware.size()) return let_in(*socket);
  const auto decide = [this, id, next](std::optional<std::string> refusal, const std::optional<Json>& data) {
    if (!refusal) return run_middleware(id, next + 1);
    if (!find(id)) return;
    server_.refuse(id, *refusal, data ? data->text : "");
    bury(id);
  };
  const Next on(decide);
  try {
    middleware[next](*socket, on);
  } catch (const std::exception& error) {
    logger_.error("handler failed", {{"of", socket->nsp_.name_}, {"error", error.what()}});
    on.refuse("Internal server error");
  }
}

void Node::let_in(Socket& socket) {
  if (!server_.transport(socket.socket_)) return;  // it has gone, which is being told
  std::vector<Frame> missed;
  const Acceptance acceptance = admit(socket, missed);
  server_.accept(socket.socket_, now_, *effects_, acceptance);
  socket.id_ = server_.sid(socket.socket_);
  socket.connected_ = true;
  Namespace& nsp = socket.nsp_;
  --nsp.pending_;
  nsp.sockets_.insert_or_assign(socket.id_, &socket);
  if (!socket.recovered_) nsp.rooms_.join(socket.socket_.slot, socket.id_);
  for (const ConnectionHandler& handler : nsp.definition_->connection_) guard("connection", [&] { handler(socket); });
  for (EventReceived& event : std::exchange(socket.early_, {})) deliver(socket, event);
}

void Node::on_event(EventReceived& event) {
  Socket* socket = find(event.socket);
  if (!socket) return;
  if (socket->connected_) return deliver(*socket, event);
  if (socket->id_.empty() && socket->early_.size() < kEarlyEventsMax) {
    socket->early_.push_back(std::move(event));
  } else if (socket->id_.empty()) {
    server_.close_transport(event.socket, DisconnectReason::forced_close, now_, *effects_);
  }
}

void Node::deliver(Socket& socket, EventReceived& event) {
  if (!socket.connected_) return;
  socket.dispatch(event.name, Arguments(std::move(event.args), std::move(event.attachments)),
                  Reply(*this, socket.socket_, event.ack_id));
}

void Node::on_disconnected(const SocketDisconnected& gone) {
  Socket* socket = find(gone.socket);
  if (!socket) return;
  if (socket->id_.empty()) return bury(gone.socket);
  if (socket->session_ && !is_recoverable(gone.reason)) end_session(*socket->session_);
  socket->connected_ = false;
  for (const DisconnectHandler& handler : std::vector(socket->disconnecting_))
    guard("disconnecting", [&] { handler(gone.reason); });
  while (!socket->acks_.empty()) finish_ack(*socket, socket->acks_.begin()->first, failure(AckError::disconnected));
  if (socket->session_) keep_session(*socket);
  socket->nsp_.rooms_.leave_all(gone.socket.slot);
  // Its session may be with another socket already.
  if (socket->nsp_.find(socket->id_) == socket) socket->nsp_.sockets_.erase(socket->id_);
  for (const DisconnectHandler& handler : std::vector(socket->disconnect_))
    guard("disconnect", [&] { handler(gone.reason); });
  bury(gone.socket);
}

void Node::bury(SocketId id) {
  Socket& socket = *sockets_[id.slot];
  if (socket.id_.empty()) --socket.nsp_.pending_;
  socket.connected_ = false;
  perhaps_unused_.insert(socket.nsp_.name_);
  buried_.push_back(std::move(sockets_[id.slot]));
}

// --- requests, time, the end ---

void Node::on_request(ConnectionId connection, HttpRequest request, Now now, Effects& effects) {
  within(now, effects, [&] {
    HttpResponse response;
    if (request.method == "OPTIONS" && server_.serves(request.path())) {
      response.status = 204;
      response.fields.add("Access-Control-Allow-Methods", "GET, POST");
      response.fields.add("Access-Control-Allow-Headers",
                          std::string(request.fields.value_or("Access-Control-Request-Headers", "Content-Type")));
    } else {
      response.status = options_.on_request ? 500 : 404;
      response.fields.add("Content-Type", "text/plain; charset=utf-8");
      guard("request", [&] {
        if (options_.on_request) response = options_.on_request(request);
      });
    }
    effects.for_io.emplace_back(Respond{connection, std::move(response)});
  });
}

void Node::decorate(HttpResponse& response, const RequestSite& site) const {
  if (options_.cors_origins.empty()) return;
  const bool any = std::ranges::find(options_.cors_origins, "*") != options_.cors_origins.end();
  if (!any) response.fields.add("Vary", "Origin");
  if (any)
    response.fields.add("Access-Control-Allow-Origin", "*");
  else if (std::ranges::find(options_.cors_origins, site.origin) != options_.cors_origins.end())
    response.fields.add("Access-Control-Allow-Origin", std::string(site.origin));
}

void Node::on_timer(Now now, Effects& effects) {
  within(now, effects, [&] {
    timers_.run(now.instant);
    keep_within_bounds();
    while (const auto socket = closer_.take(now.instant))
      if (server_.is_receiving(*socket) && closer_.is_patient(now.instant))
        closer_.put_back(*socket, now.instant);
      else
        server_.close_transport(*socket, DisconnectReason::server_shutting_down, now, effects);
    if (closing_ && closer_.done()) server_.close_all(DisconnectReason::server_shutting_down, now, effects);
  });
}

Instant Node::next_deadline() const { return std::min({timers_.next(), closer_.next_deadline(), recovery_deadline()}); }

void Node::begin_shutdown(Now, Effects&) { shutting_down_ = true; }

void Node::begin_closing(Now now, Instant done_by, Effects& effects) {
  closing_ = true;
  closer_.begin(server_.sockets(), now.instant, done_by);
  on_timer(now, effects);
}

}  // namespace famemely::socketio
