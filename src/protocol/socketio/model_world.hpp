#pragma once

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/engineio/test_bench.hpp"
#include "protocol/socketio/model_client.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::socketio {

/// A server, its network and its application, each step of which is held against a model: a packet reaches its client
/// exactly once and in order, whatever the transports do; a request is answered exactly once; sessions end when and for
/// the reason that the protocol says, and never because of somebody else.
/// What it does is decided by bytes (see Choices), in model_steps.hpp.
class ModelWorld {
 public:
  explicit ModelWorld(std::string_view bytes) : choices(bytes), server(options(), random_) {}

  ModelWorld(const ModelWorld&) = delete;
  ModelWorld& operator=(const ModelWorld&) = delete;
  virtual ~ModelWorld() = default;

  static Options options() {
    Options options;
    options.message_bytes_max = 1000;
    options.client_queue_bytes_max = 3000;
    options.namespaces = {"/", "/a"};
    options.refusals_max = 3;
    return options;
  }

  Choices choices;
  Server server;
  Now now{Instant(std::chrono::hours(1)), {}};
  std::map<std::size_t, ModelClient> clients;
  std::map<ConnectionId, Wire> wires;
  bool draining = false;
  /// The last calls, for whoever has to find out what went wrong.
  std::deque<std::string> diary;

 protected:
  /// A request that waits for its answer.
  struct Pending {
    std::size_t client;
    bool poll;
    std::optional<int> status;  // that it must get
  };
  static constexpr std::string_view kPath = "/socket.io/";

  std::string query(const ModelClient& client, std::string_view transport = "polling") const {
    return "EIO=4&transport=" + std::string(transport) + "&sid=" + client.sid;
  }

  // --- the calls that bring something, each followed by all its consequences ---

  void request(ConnectionId connection, Pending pending, const HttpRequest& request) {
    note(pending.client, request.method + " " + request.body);
    pending_[connection] = pending;
    server.on_request(connection, request, now, effects_);
    settle();
    if (!pending.poll) require(!pending_.contains(connection), "a request is not answered");
  }
  void upgrade(ConnectionId connection, std::size_t client, std::optional<int> status, const HttpRequest& request) {
    note(client, "upgrade");
    pending_[connection] = {client, false, status};
    server.on_upgrade(connection, request, now, effects_);
    settle();
    require(!pending_.contains(connection), "an upgrade is not answered");
  }
  void disconnected(ConnectionId connection) {
    note(connection, "is the number of a connection that is gone");
    pending_.erase(connection);
    wires.erase(connection);
    server.on_disconnected(connection, now, effects_);
    settle();
  }
  /// False if it is answered already.
  bool started(ConnectionId connection, std::size_t client, const HttpRequest& head, std::optional<int> refusal) {
    note(client, "POST, its head");
    pending_[connection] = {client, false, refusal};
    const bool wanted = server.on_request_started(connection, head, now, effects_);
    require(wanted == !refusal, "the head of a POST is taken for what it is not");
    settle();
    require(pending_.contains(connection) == wanted, "a POST is answered too early or not at all");
    pending_.erase(connection);
    return wanted;
  }
  void abandoned(ConnectionId connection) {
    server.on_request_abandoned(connection);
    settle();
  }
  /// Feeds the first so many bytes that the client has not sent yet. A broken frame is fed whole or not at all: how
  /// many of its bytes it takes to see that it is broken is the decoder's affair.
  void feed(ConnectionId connection, std::size_t count) {
    Wire& wire = wires.at(connection);
    std::size_t end = 0;
    for (const Wire::Unsent& unsent : wire.unsent) {
      if (unsent.sent.kind == Sent::Kind::broken && end < count) count = std::max(count, end + unsent.bytes);
      end += unsent.bytes;
    }
    std::string bytes = wire.unsent_bytes.substr(0, count);
    wire.unsent_bytes.erase(0, bytes.size());
    std::size_t left = bytes.size();
    while (!wire.unsent.empty() && left >= wire.unsent.front().bytes) {
      left -= wire.unsent.front().bytes;
      const Sent sent = std::move(wire.unsent.front().sent);
      wire.unsent.pop_front();
      note(wire.client, "WebSocket: " + sent.text);
      foresee_on_wire(connection, wire, sent);
    }
    if (!wire.unsent.empty()) wire.unsent.front().bytes -= left;
    server.on_websocket_bytes(connection, bytes, now, effects_);
    settle();
  }
  void timer() {
    note(0, "is told nothing, but it is time");
    for (auto& [number, client] : clients) foresee_timer(client);
    server.on_timer(now, effects_);
    settle();
    require(server.next_deadline() > now.instant, "a timer that is due stays");
  }
  /// Writes what waits for a socket that takes a little at a time.
  void resume(ConnectionId connection) {
    Wire& wire = wires.at(connection);
    if (!std::exchange(wire.writer_waits, false)) return;
    write(connection);
    settle();
  }

  void note(std::size_t client, std::string what) {
    what.resize(std::min<std::size_t>(what.size(), 80));
    diary.push_back(std::to_string(client) + " " + what);
    if (diary.size() > 20) diary.pop_front();
  }

  bool foresee(ModelClient& client, const Sent& sent) { return client.foresee(sent, now, options()); }

  // --- the application ---

  void emit(SocketId id, std::string_view args, std::span<const std::string_view> attachments, bool with_ack) {
    ModelSocket* socket = find_live(id);
    const std::string nsp = socket ? socket->nsp : "/";
    std::optional<std::uint32_t> ack;
    if (with_ack) {
      ack = server.next_ack_id(id);
      require(ack.has_value() == (socket && socket->joined), "an ack id for a socket that is gone, or none");
      if (ack) clients.at(socket->client).acks_due[nsp].insert(*ack);
    }
    const Frame frame = make_event_frame(nsp, "e", args, attachments, ack);
    const std::size_t queued = server.queued_bytes(id);
    took(socket, frame, queued, server.emit(id, frame));
  }
  void reply(SocketId id, std::uint64_t ack) {
    ModelSocket* socket = find_live(id);
    const Frame frame = make_ack_frame(socket ? socket->nsp : "/", ack, "1");
    const std::size_t queued = server.queued_bytes(id);
    took(socket, frame, queued, server.reply(id, ack, "1"));
  }
  void accept(SocketId id) {
    ModelSocket* socket = find_live(id);
    server.accept(id, now, effects_);
    if (!socket || socket->joined) return;
    socket->joined = true;
    socket->sid = server.sid(id);
    require(socket->sid.size() == 20, "an accepted socket has no id");
    ModelClient& client = clients.at(socket->client);
    client.joined.insert(socket->nsp);
    client.refusals = 0;
    client.promise(make_connect_frame(socket->nsp, socket->sid));
  }
  void refuse(SocketId id) {
    ModelSocket* socket = find_live(id);
    server.refuse(id, "no");
    if (!socket || socket->joined) return;
    ModelClient& client = clients.at(socket->client);
    client.promise(make_connect_error_frame(socket->nsp, "no"));
    client.leave(socket->nsp, now.instant, options().connect_timeout);
    refused_.emplace(key(id), std::move(*socket));
    sockets_.erase(key(id));
  }
  void disconnect(SocketId id) {
    ModelSocket* socket = find_live(id);
    server.disconnect(id, now, effects_);
    if (!socket) return;
    note(socket->client, "is disconnected by the application");
    ModelClient& client = clients.at(socket->client);
    client.promise(make_disconnect_frame(socket->nsp));
    client.leave(socket->nsp, now.instant, options().connect_timeout);
    expected_reason_[key(id)] = DisconnectReason::server_namespace_disconnect;
  }
  void close(SocketId id, DisconnectReason reason) {
    ModelSocket* socket = find_live(id);
    if (socket) note(socket->client, "is closed by the application");
    if (socket) {
      ModelClient& client = clients.at(socket->client);
      client.end(reason);
      client.flushed = reason != DisconnectReason::slow_consumer;
    }
    server.close_transport(id, reason, now, effects_);
  }
  void close_all() {
    for (auto& [number, client] : clients) {
      if (!client.alive) continue;
      client.end(DisconnectReason::server_shutting_down);
      client.flushed = true;
    }
    server.close_all(DisconnectReason::server_shutting_down, now, effects_);
    settle();
  }
  void tell_when_drained(SocketId id) {
    if (ModelSocket* socket = find_live(id)) socket->drained_due = clients.at(socket->client).promised;
    server.tell_when_drained(id);
  }

  /// All that is done with `effects_`, until nothing is left; then everything must be as the model has it.
  void settle() {
    do {
      for (const engineio::IoEffect& effect : std::exchange(effects_.for_io, {}))
        std::visit([&](const auto& what) { perform(what); }, effect);
      batch_ = std::exchange(effects_.for_application, {});
      for (next_in_batch_ = 0; next_in_batch_ < batch_.size();)
        std::visit([&](const auto& what) { happened(what); }, batch_[next_in_batch_++]);
      refused_.clear();
      if (effects_.for_io.empty() && effects_.for_application.empty()) server.end_of_turn(now, effects_);
    } while (!effects_.for_io.empty() || !effects_.for_application.empty());
    verify();
  }

  /// What the application does about these is a matter of choice.
  virtual void on_connect_requested(SocketId id) = 0;
  virtual void on_event(SocketId id, std::optional<std::uint64_t> ack) = 0;

  [[nodiscard]] bool waits(ConnectionId connection) const { return pending_.contains(connection); }
  [[nodiscard]] bool idle() const { return pending_.empty() && sockets_.empty() && server.sockets().empty(); }
  /// Once everything has been written and polled.
  void require_all_told() const {
    for (const auto& [id, socket] : sockets_)
      require(!socket.drained_due || clients.at(socket.client).wild, "everything has come, but drained was not said");
  }
  std::vector<SocketId> known;  // sockets there have been

 private:
  static std::uint64_t key(SocketId id) { return std::uint64_t{id.generation} << 32 | id.slot; }

  // --- the network ---

  void perform(const Respond& respond) {
    const auto found = pending_.find(respond.connection);
    require(found != pending_.end(), "an answer that nobody waits for");
    const Pending pending = found->second;
    pending_.erase(found);
    const HttpResponse& response = respond.response;
    require(response.status != 200 || response.fields.find("Content-Type").has_value(), "a 200 without Content-Type");
    ModelClient& client = clients.at(pending.client);
    if (pending.status && !client.wild)
      require(response.status == *pending.status, "status " + std::to_string(response.status) + " instead of " +
                                                      std::to_string(*pending.status) + ": " + response.body);
    if (client.poll == respond.connection) client.poll.reset();
    if (!pending.poll || response.status != 200) return;
    if (response.body.starts_with("0{")) {
      require(client.sid.empty(), "opened twice");
      client.sid = engineio::sid_in(response.body);
    } else {
      client.receive_payload(response.body, options().message_bytes_max);
    }
  }
  void perform(const AcceptUpgrade& accept) {
    const auto found = pending_.find(accept.connection);
    require(found != pending_.end(), "an upgrade that nobody asked for");
    require(!found->second.status || clients.at(found->second.client).wild, "an upgrade that should be refused");
    wires.emplace(accept.connection, Wire(found->second.client));
    pending_.erase(found);
  }
  void perform(const WriteReady& ready) {
    const auto found = wires.find(ready.connection);
    require(found != wires.end(), "something to write for a connection that is gone");
    require(!found->second.writer_waits, "told twice that there is something to write");
    write(ready.connection);
  }
  void perform(const CloseConnection& close) {
    require(wires.erase(close.connection) == 1, "a connection is closed that is gone");
    for (auto& [number, client] : clients) {
      if (client.main == close.connection) client.main.reset();
      if (client.probe == close.connection) client.probe.reset();
    }
  }

  void write(ConnectionId connection) {
    Wire& wire = wires.at(connection);
    while (true) {
      std::array<engineio::Piece, 4> pieces;
      const std::size_t count = server.gather(connection, std::span(pieces).first(1 + choices.pick(4)));
      std::string bytes;
      for (std::size_t i = 0; i < count; ++i) bytes += pieces[i];
      if (wire.slow && !draining) bytes.resize(std::min(bytes.size(), choices.pick(64)));
      read(connection, wire, bytes);
      const bool more = bytes.empty() ? count > 0 : server.wrote(connection, bytes.size(), now, effects_);
      if (!more) return;
      if (wire.slow && !draining) {
        wire.writer_waits = true;
        return;
      }
    }
  }
  void read(ConnectionId connection, Wire& wire, std::string& bytes) {
    ModelClient& client = clients.at(wire.client);
    wire.decoder.feed(bytes);
    while (const auto event = wire.decoder.next()) {
      require(!wire.told_close, "something after the close frame");
      if (const auto* message = std::get_if<websocket::Message>(&*event)) {
        const bool binary = message->opcode == websocket::Opcode::binary;
        if (!binary && message->data == "3probe") {
          require(wire.probes > 0 || client.wild, "an answer to no probe");
          if (wire.probes > 0) --wire.probes;
        } else if (!binary && message->data.starts_with("0{")) {
          require(client.sid.empty(), "opened twice");
          client.sid = engineio::sid_in(std::string(message->data));
        } else {
          require(client.main == connection || wire.asked_to_switch || client.wild, "data over a probe");
          client.receive(binary, message->data);
        }
      } else if (std::holds_alternative<websocket::Pong>(*event)) {
        require(wire.pings > 0 || client.wild, "a pong to no ping");
        if (wire.pings > 0) --wire.pings;
      } else {
        require(std::holds_alternative<websocket::Close>(*event), "a client would find fault with the frames");
        wire.told_close = wire.goodbye_due = true;
        if (client.main == connection && client.flushed)
          require(client.owed.empty(), "closed before what was queued had come");
      }
    }
  }

  void foresee_on_wire(ConnectionId connection, Wire& wire, const Sent& sent) {
    ModelClient& client = clients.at(wire.client);
    if (sent.kind == Sent::Kind::control) return;
    if (!client.alive || client.must_end || client.wild) {
      if (sent.text == "5") wire.asked_to_switch = true;
      return;
    }
    if (client.main == connection) {
      static_cast<void>(foresee(client, sent));
      return;
    }
    if (client.probe != connection) return;
    if (sent.kind == Sent::Kind::ping && sent.text == "2probe") {
      client.probe_answered = true;
    } else if (sent.text == "5" && client.probe_answered) {
      wire.asked_to_switch = true;
      client.main = std::exchange(client.probe, std::nullopt);
      client.post.reset();
      client.probe_answered = false;
      client.transport = ModelClient::Transport::websocket;
    } else {
      client.probe.reset();
      client.probe_answered = false;
    }
  }

  void foresee_timer(ModelClient& client) {
    if (!client.alive) return;
    const Options limits = options();
    if (client.wild) {
      client.may_end.insert({DisconnectReason::ping_timeout, DisconnectReason::forced_close});
      return;
    }
    if (client.ping_outstanding && client.pong_by <= now.instant) {
      client.end(DisconnectReason::ping_timeout);
    } else if (!client.ping_outstanding && client.ping_at <= now.instant) {
      client.ping_outstanding = true;
      ++client.pings_due;
      client.extended = false;
      client.pong_by = std::max(client.ping_at, now.instant - std::chrono::milliseconds(10)) + limits.ping_timeout;
    }
    if (client.probe && client.probe_deadline <= now.instant) {
      client.probe.reset();
      client.probe_answered = false;
    }
    if (client.joined.empty() && client.join_by <= now.instant) client.end(DisconnectReason::forced_close);
  }

  // --- the application ---

  ModelClient& client_of(const HandshakeInfo& handshake) { return clients.at(std::stoul(handshake.authorization)); }

  /// The socket, unless it is gone or news of its end is on its way.
  ModelSocket* find_live(SocketId id) {
    const auto found = sockets_.find(key(id));
    if (found == sockets_.end()) return nullptr;
    const auto is_end = [&](const ApplicationEffect& effect) {
      const auto* gone = std::get_if<SocketDisconnected>(&effect);
      return gone && gone->socket == id;
    };
    const auto rest = batch_.begin() + static_cast<std::ptrdiff_t>(next_in_batch_);
    if (std::any_of(rest, batch_.end(), is_end) || std::ranges::any_of(effects_.for_application, is_end))
      return nullptr;
    return &found->second;
  }
  /// What came along with the connect may still be told of a socket that has been refused.
  ModelSocket* find_known(SocketId id) {
    if (const auto found = sockets_.find(key(id)); found != sockets_.end()) return &found->second;
    const auto refused = refused_.find(key(id));
    return refused == refused_.end() ? nullptr : &refused->second;
  }

  void took(ModelSocket* socket, const Frame& frame, std::size_t queued_before, EmitResult result) {
    if (!socket || !socket->joined) {
      require(result == EmitResult::gone, "a socket that is gone takes what is sent");
      return;
    }
    const bool fits = queued_before + frame.size() <= options().client_queue_bytes_max;
    require(result == (fits ? EmitResult::queued : EmitResult::full), "a queue takes what does not fit, or refuses");
    if (fits) clients.at(socket->client).promise(frame);
  }

  /// The next news of this client must be this.
  void expect_news(ModelClient& client, const std::string& line) {
    if (client.wild) {
      const auto found = std::ranges::find(client.news, line);
      if (found != client.news.end()) client.news.erase(client.news.begin(), found + 1);
      return;
    }
    require(!client.news.empty() && client.news.front() == line,
            "told of " + line + " instead of " + (client.news.empty() ? "nothing" : client.news.front()));
    client.news.pop_front();
  }

  void happened(const ConnectRequested& request) {
    ModelClient& client = client_of(request.handshake);
    expect_news(client, "connect " + request.nsp);
    if (client.wild) client.present.insert(request.nsp);
    require(sockets_.emplace(key(request.socket), ModelSocket{client.number, request.nsp}).second, "an id used twice");
    require(!used_.contains(key(request.socket)), "a generation used twice");
    used_.insert(key(request.socket));
    known.push_back(request.socket);
    on_connect_requested(request.socket);
  }
  void happened(const ConnectRefused&) {}
  void happened(const EventReceived& event) {
    const ModelSocket* socket = find_known(event.socket);
    require(socket != nullptr, "an event of a socket that is gone");
    std::string line = "event " + socket->nsp + " " + (event.args.empty() ? "" : event.args.front());
    if (event.ack_id) line += "?" + std::to_string(*event.ack_id);
    for (const std::string& attachment : event.attachments) line += "|" + attachment;
    expect_news(clients.at(socket->client), line);
    on_event(event.socket, event.ack_id);
  }
  void happened(const AckReceived& ack) {
    const auto found = sockets_.find(key(ack.socket));
    require(found != sockets_.end(), "an acknowledgement of a socket that is gone");
    expect_news(clients.at(found->second.client), "ack " + found->second.nsp + " " + std::to_string(ack.ack_id));
  }
  void happened(const SocketDisconnected& gone) {
    const auto found = sockets_.find(key(gone.socket));
    require(found != sockets_.end(), "a socket goes twice");
    const ModelSocket socket = found->second;
    require(!socket.joined || gone.sid.text() == socket.sid, "a socket goes under another id");
    sockets_.erase(found);
    ModelClient& client = clients.at(socket.client);
    const auto commanded = expected_reason_.find(key(gone.socket));
    if (commanded != expected_reason_.end()) {
      require(gone.reason == commanded->second, "a socket goes for another reason");
    } else if (gone.reason == DisconnectReason::client_namespace_disconnect) {
      if (client.wild) client.leave(socket.nsp, now.instant, options().connect_timeout);
      expect_news(client, "gone " + socket.nsp);
    } else {
      require(client.may_end.contains(gone.reason) || client.wild,
              "client " + std::to_string(client.number) + " goes: " + std::string(to_string(gone.reason)));
    }
  }
  void happened(const QueueDrained& drained) {
    const auto found = sockets_.find(key(drained.socket));
    require(found != sockets_.end() && found->second.drained_due, "drained, but nobody asked");
    const ModelClient& client = clients.at(found->second.client);
    require(client.arrived >= *found->second.drained_due || client.wild, "drained, but not everything has come");
    found->second.drained_due.reset();
  }

  // --- what must hold after every call ---

  /// Asks without doing anything: a method that polling does not know gets code 3 from a session, code 1 without.
  bool is_alive(const ModelClient& client) {
    if (client.sid.empty()) return false;
    constexpr ConnectionId kAsking = 1;
    server.on_request(kAsking, engineio::make_request("PUT", query(client), "", std::string(kPath)), now, effects_);
    require(effects_.for_io.size() == 1 && effects_.for_application.empty(), "a bad request has effects");
    const std::string body = std::get<Respond>(effects_.for_io.front()).response.body;
    effects_.clear();
    return body.find("\"code\":3") != std::string::npos;
  }

  void verify() {
    std::size_t alive = 0;
    for (auto& [number, client] : clients) {
      const std::string name = "client " + std::to_string(number);
      if (client.alive && !is_alive(client)) {
        require(!client.may_end.empty() || client.wild, name + " has lost its session");
        ended(client);
      } else if (client.alive) {
        require(!client.must_end, name + " should have lost its session: " +
                                      std::string(to_string(client.may_end.empty() ? DisconnectReason::forced_close
                                                                                   : *client.may_end.begin())));
      }
      client.may_end.clear();
      client.must_end = false;
      if (client.wild) {
        client.news.clear();
      } else {
        require(client.news.empty(),
                "the application was not told of " + (client.news.empty() ? std::string() : client.news.front()));
      }
      if (!client.alive) continue;
      ++alive;
      if (client.wild) continue;
      const bool owes = !client.owed.empty() || client.pings_due > 0;
      if (client.poll) require(!owes && !client.probe_answered, "a poll waits though there is something");
      if (client.main && !wires.at(*client.main).writer_waits) require(!owes, "something is owed, but nothing written");
    }
    require(alive == server.connection_count(), "sessions there should not be, or too few");
    std::size_t joined = 0;
    for (const auto& [id, socket] : sockets_) {
      if (socket.joined) ++joined;
      const SocketId known_id{static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32)};
      // Connects, acceptances and goodbyes come on top of what the limit lets in, but are as few as namespaces.
      require(server.queued_bytes(known_id) <= options().client_queue_bytes_max + 300, "a queue over its bound");
    }
    require(joined == server.sockets().size(), "sockets there should not be, or too few");
  }

  void ended(ModelClient& client) {
    for (const auto& [id, socket] : sockets_) require(socket.client != client.number, "a socket outlives its session");
    require(!client.poll || !pending_.contains(*client.poll), "a poll outlives its session");
    client.alive = false;
    client.present.clear();
    client.acks_due.clear();
    client.attachments_due = 0;
    client.poll.reset();
    client.post.reset();
  }

  engineio::SeededRandom random_;
  Effects effects_;
  std::map<ConnectionId, Pending> pending_;
  std::map<std::uint64_t, ModelSocket> sockets_;
  std::map<std::uint64_t, ModelSocket> refused_;  // in this batch
  std::set<std::uint64_t> used_;
  std::map<std::uint64_t, DisconnectReason> expected_reason_;
  std::vector<ApplicationEffect> batch_;
  std::size_t next_in_batch_ = 0;
};

}  // namespace famemely::socketio
