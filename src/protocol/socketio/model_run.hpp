#pragma once

#include <array>
#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/socketio/model_world.hpp"

namespace famemely::socketio {

/// Several clients of one server, legal and illegal in turns: which steps they take, and what the application does, is
/// read from the bytes. At the end all is delivered, then everybody falls silent, and the server must forget them.
class ModelRun final : public ModelWorld {
 public:
  /// Throws ModelBroken when the server does what it may not.
  static void run(std::string_view bytes) {
    ModelRun world(bytes);
    try {
      const bool shut_down = world.choices.pick(2) == 1;
      while (!world.choices.used_up()) world.step();
      world.finish(shut_down);
    } catch (const ModelBroken& broken) {
      std::string story = broken.what();
      for (const std::string& line : world.diary) story += "\n  client " + line;
      throw ModelBroken(story);
    }
  }

 private:
  using Kind = Sent::Kind;
  using Transport = ModelClient::Transport;
  static constexpr std::size_t kPlaces = 4;

  explicit ModelRun(std::string_view bytes) : ModelWorld(bytes) {}

  ConnectionId new_connection() { return ++last_connection_; }

  void step() {
    const std::size_t place = choices.pick(kPlaces);
    if (!places_[place] || !clients.at(*places_[place]).alive) {
      // Whoever has lost its session goes on for a while.
      if (!places_[place] || choices.pick(3) == 0) {
        open(place);
        return;
      }
    }
    ModelClient& client = clients.at(*places_[place]);
    switch (choices.pick(25)) {
      case 0:
      case 1:
      case 2:
        return attend(client);
      case 3:
        return poll(client);
      case 4:
      case 5:
      case 6:
        return client.main ? say(*client.main, some_packets(client)) : post(client, some_packets(client));
      case 7:
        return begin_post(client);
      case 8:
        return end_post();
      case 9:
        return abort_poll(client);
      case 10:
        return start_upgrade(client);
      case 11:
        return say_on_probe(client);
      case 12:
      case 13:
        return upgrade_as_javascript_does(client);
      case 14:
        return meddle_with_wire();
      case 15:
        client.attentive = choices.pick(4) != 0;
        return;
      case 16:
        return pass(some_time());
      case 17:
        return stall(some_time());
      case 18:
      case 19:
      case 20:
      case 21:
        return act_as_application();
      case 22:
        return act_as_application_rarely();
      case 23:
        return join_and_leave(client);
      default:
        if (choices.pick(6) == 0) return run_wild(client);
        return attend(client);
    }
  }

  // --- connecting ---

  void open(std::size_t place) {
    const std::size_t number = clients.size();
    ModelClient& client = clients[number];
    places_[place] = number;
    client.number = number;
    client.alive = true;
    client.ping_at = now.instant + options().ping_interval;
    client.join_by = now.instant + options().connect_timeout;
    const ConnectionId connection = new_connection();
    if (choices.pick(3) != 0) {
      HttpRequest handshake = engineio::make_request("GET", "EIO=4&transport=polling", "", std::string(kPath));
      handshake.fields.add("Authorization", std::to_string(number));
      request(connection, {number, true, 200}, handshake);
    } else {
      client.transport = Transport::websocket;
      client.main = connection;
      HttpRequest handshake = engineio::make_upgrade("EIO=4&transport=websocket", std::string(kPath));
      handshake.fields.add("Authorization", std::to_string(number));
      upgrade(connection, number, std::nullopt, handshake);
    }
    require(client.sid.size() == 20, "no open packet");
    const Sent connect = connect_packet("/");
    if (client.main) {
      say(*client.main, {connect});
    } else {
      post(client, {connect});
    }
  }

  void start_upgrade(ModelClient& client) {
    const ConnectionId connection = new_connection();
    std::optional<int> refusal;
    if (!client.alive) refusal = 400;
    if (client.alive && client.transport == Transport::polling && !client.probe) {
      client.probe = connection;
      client.probe_answered = false;
      client.probe_deadline = now.instant + options().upgrade_timeout;
    }
    HttpRequest handshake = engineio::make_upgrade(query(client, "websocket"), std::string(kPath));
    upgrade(connection, client.number, refusal, handshake);
  }

  void upgrade_as_javascript_does(ModelClient& client) {
    if (!client.alive || client.transport != Transport::polling) return attend(client);
    if (!client.probe) {
      if (!client.poll && choices.pick(2) == 0) poll(client);
      if (client.alive) start_upgrade(client);
    }
    const auto act_between = [&] {
      if (choices.pick(2) == 0) act_as_application();
      if (choices.pick(4) == 0 && client.alive) poll(client);
    };
    act_between();
    if (client.probe) say(*client.probe, {{.kind = Kind::ping, .text = "2probe"}});
    act_between();
    if (client.probe) say(*client.probe, {{.kind = Kind::harmless, .text = "5"}});
  }

  void say_on_probe(ModelClient& client) {
    for (const auto& [connection, wire] : wires) {
      if (wire.client != client.number || client.main == connection || wire.probes > 20) continue;
      switch (choices.pick(4)) {
        case 0:
        case 1:
          return say(connection, {{.kind = Kind::ping, .text = "2probe"}});
        case 2:
          return say(connection, {{.kind = Kind::harmless, .text = "5"}});
        default:
          return say(connection, some_packets(client));
      }
    }
  }

  // --- polling ---

  void poll(ModelClient& client) {
    const ConnectionId connection = new_connection();
    Pending pending{client.number, true, std::nullopt};
    if (client.alive && !client.wild) {
      if (client.transport == Transport::websocket) {
        pending.status = 400;
      } else if (client.poll) {
        pending.status = 400;
        client.end(DisconnectReason::transport_error);
      } else {
        pending.status = 200;
        client.poll = connection;
      }
    } else if (client.wild) {
      client.poll = connection;
    }
    request(connection, pending, engineio::make_request("GET", query(client), "", std::string(kPath)));
    if (!client.alive) require(!waits(connection), "a poll of nobody's waits");
  }
  void abort_poll(ModelClient& client) {
    if (!client.poll) return;
    client.end(DisconnectReason::transport_error);
    disconnected(*std::exchange(client.poll, std::nullopt));
  }

  static std::string body_of(const std::vector<Sent>& packets) {
    std::string body;
    for (const Sent& packet : packets) {
      if (&packet != &packets.front()) body.push_back(engineio::kSeparator);
      body += packet.kind == Kind::attachment ? "b" + base64_encode(packet.text) : packet.text;
    }
    return body;
  }
  /// The status that it must get.
  std::optional<int> foresee_post(ModelClient& client, ConnectionId connection, const std::vector<Sent>& packets) {
    if (client.wild) return std::nullopt;
    if (!client.alive || client.transport == Transport::websocket) return 400;
    if (client.post && client.post != connection) {
      client.end(DisconnectReason::transport_error);
      return 400;
    }
    client.post.reset();
    if (body_of(packets).size() > options().message_bytes_max) return 413;
    for (const Sent& packet : packets)
      if (!foresee(client, packet)) return packet.kind == Kind::garbage ? 400 : 200;
    return 200;
  }
  void post(ModelClient& client, const std::vector<Sent>& packets, std::optional<ConnectionId> begun = {}) {
    const ConnectionId connection = begun.value_or(new_connection());
    const auto status = foresee_post(client, connection, packets);
    request(connection, {client.number, false, status},
            engineio::make_request("POST", query(client), body_of(packets), std::string(kPath)));
  }
  void begin_post(ModelClient& client) {
    if (client.wild) return;
    const ConnectionId connection = new_connection();
    const std::size_t length = choices.pick(8) == 0 ? options().message_bytes_max + 1 : 10;
    std::optional<int> refusal;
    if (!client.alive || client.transport == Transport::websocket) {
      refusal = 400;
    } else if (length > options().message_bytes_max) {
      refusal = 413;
    } else if (client.post) {
      refusal = 400;
      client.end(DisconnectReason::transport_error);
    } else {
      client.post = connection;
    }
    HttpRequest head = engineio::make_request("POST", query(client), "", std::string(kPath));
    head.fields.add("Content-Length", std::to_string(length));
    if (started(connection, client.number, head, refusal)) begun_.emplace(connection, client.number);
  }
  void end_post() {
    if (begun_.empty()) return;
    const auto [connection, number] = *begun_.begin();
    begun_.erase(begun_.begin());
    ModelClient& client = clients.at(number);
    switch (choices.pick(4)) {
      case 0:
        if (client.post == connection) {
          client.end(DisconnectReason::transport_error);
          client.post.reset();
        }
        return disconnected(connection);
      case 1:
        if (client.post == connection) client.post.reset();
        return abandoned(connection);
      default:
        return post(client, some_packets(client), connection);
    }
  }

  // --- WebSocket ---

  /// RFC 6455 section 5.2, masked.
  static std::string frame(unsigned first_byte, std::string_view payload) {
    std::string bytes(1, static_cast<char>(first_byte));
    if (payload.size() < 126) {
      bytes.push_back(static_cast<char>(0x80U | payload.size()));
    } else {
      bytes.push_back(static_cast<char>(0x80U | 126U));
      bytes.push_back(static_cast<char>(payload.size() >> 8U));
      bytes.push_back(static_cast<char>(payload.size() & 0xFFU));
    }
    for (const std::uint8_t byte : engineio::kTestKey) bytes.push_back(static_cast<char>(byte));
    std::string masked(payload);
    websocket::apply_mask(masked, engineio::kTestKey);
    return bytes + masked;
  }
  std::string frames_of(const Sent& packet, Wire& wire) {
    switch (packet.kind) {
      case Kind::control:
        ++wire.pings;
        return frame(0x89, packet.text);
      case Kind::goodbye:
        return frame(0x88, packet.text);
      case Kind::broken:
        return packet.text;
      default:
        break;
    }
    std::string text = packet.text;
    bool binary = packet.kind == Kind::attachment;
    if (binary && choices.pick(4) == 0) {
      binary = false;
      text = "b" + base64_encode(text);
    }
    const unsigned opcode = binary ? 2 : 1;
    if (choices.pick(4) != 0) return frame(0x80U | opcode, text);
    const std::size_t cut = text.size() / 2;
    ++wire.pings;
    return frame(opcode, text.substr(0, cut)) + frame(0x89, "between") + frame(0x80, text.substr(cut));
  }
  void say(ConnectionId connection, const std::vector<Sent>& packets) {
    Wire& wire = wires.at(connection);
    for (const Sent& packet : packets) {
      const std::string bytes = frames_of(packet, wire);
      if (packet.text == "2probe") ++wire.probes;
      wire.unsent.push_back({packet, bytes.size()});
      wire.unsent_bytes += bytes;
    }
    feed(connection, choices.pick(3) != 0 ? wire.unsent_bytes.size() : choices.pick(200));
  }
  void meddle_with_wire() {
    if (wires.empty()) return;
    const auto chosen = std::next(wires.begin(), static_cast<std::ptrdiff_t>(choices.pick(wires.size())));
    const ConnectionId connection = chosen->first;
    Wire& wire = chosen->second;
    ModelClient& client = clients.at(wire.client);
    switch (choices.pick(10)) {
      case 0:
      case 1:
        return feed(connection, choices.pick(200));
      case 2:
        return say(connection, {{.kind = Kind::control, .text = "ping"}});
      case 3:
        return say(connection,
                   {{.kind = Kind::goodbye, .text = choices.pick(2) == 0 ? "" : std::string("\x03\xE8", 2)}});
      case 4:
        return say(connection, {some_broken_frame()});
      case 5:
        if (client.main == connection) {
          client.end(DisconnectReason::transport_close);
          client.main.reset();
        } else if (client.probe == connection) {
          client.probe.reset();
          client.probe_answered = false;
        }
        return disconnected(connection);
      case 6:
      case 7:
        wire.slow = !wire.slow;
        return;
      default:
        return resume(connection);
    }
  }
  Sent some_broken_frame() {
    switch (choices.pick(4)) {
      case 0:
        return {.kind = Kind::broken, .text = "\x81\x01x"};  // not masked
      case 1:
        return {.kind = Kind::broken, .text = frame(0x83, "x")};
      case 2:
        return {.kind = Kind::broken, .text = frame(0x81, "4\xFF")};
      default:
        return {.kind = Kind::broken, .text = frame(0x81, std::string(options().message_bytes_max + 1, '4'))};
    }
  }

  // --- what clients say ---

  static std::string prefix(const std::string& nsp) { return nsp == "/" ? "" : nsp + ","; }
  static Sent connect_packet(const std::string& nsp) {
    return {.kind = Kind::connect, .text = "40" + prefix(nsp), .nsp = nsp};
  }
  Sent event_packet(const std::string& nsp, std::size_t attachments) {
    const std::string number = std::to_string(++last_number_);
    std::string ack;
    if (choices.pick(3) == 0) ack = std::to_string(choices.pick(100));
    Sent sent{.kind = Kind::event, .text = "42", .nsp = nsp, .news = "event " + nsp + " " + number};
    std::string more;
    if (attachments > 0) {
      sent.kind = Kind::header;
      sent.number = attachments;
      sent.text = "45" + std::to_string(attachments) + "-";
      more = R"(,{"_placeholder":true,"num":0})";
    }
    if (!ack.empty()) sent.news += "?" + ack;
    sent.text += prefix(nsp) + ack + "[\"e\"," + number + more + "]";
    return sent;
  }
  std::vector<Sent> some_packets(const ModelClient& client) {
    std::vector<Sent> packets;
    for (std::size_t count = 1 + choices.pick(3); count > 0; --count) add_packet(client, packets);
    return packets;
  }
  void add_packet(const ModelClient& client, std::vector<Sent>& packets) {
    static const std::vector<std::string> kGarbage{"x", "", "7", "b***", "b="};
    static const std::vector<std::string> kMalformed{"4",
                                                     "49",
                                                     "42[]",
                                                     "42{}",
                                                     "42[null]",
                                                     "42abc[\"e\"]",
                                                     "43abc[]",
                                                     "41{}",
                                                     "450-",
                                                     "451[",
                                                     "44{}",
                                                     "40[]",
                                                     "4511-[\"e\"]",
                                                     "42[\"connect\"]",
                                                     "40\"s\"",
                                                     "430{}",
                                                     "42-1[1]",
                                                     "45-[1]",
                                                     "47",
                                                     "42[\"e\"",
                                                     "451-[\"e\",{\"_placeholder\":true,\"num\":1}]"};
    static const std::vector<std::string> kHarmless{"0", "5", "6", "6x"};
    std::string nsp = choices.pick(2) == 0 ? "/" : "/a";
    const std::string other = nsp == "/" ? "/a" : "/";
    constexpr std::size_t kPong = 22;
    std::size_t what = choices.pick(32);
    const bool careful = choices.pick(8) != 0;
    if (careful && client.present.contains(nsp) == (what < 4) && client.present.contains(other) != (what < 4))
      nsp = other;
    if (careful && what >= 4 && what < kPong && !client.present.contains(nsp)) what = kPong;
    if (what < 4) {
      packets.push_back(connect_packet(nsp));
    } else if (what < 14) {
      packets.push_back(event_packet(nsp, 0));
    } else if (what < 18) {
      const std::size_t due = 1 + choices.pick(2);
      packets.push_back(event_packet(nsp, due));
      const std::size_t given = choices.pick(8) == 0 ? choices.pick(4) : due;
      for (std::size_t i = 0; i < given; ++i)
        packets.push_back({.kind = Kind::attachment,
                           .text = std::string(std::array<std::size_t, 4>{3, 0, 40, 500}[choices.pick(4)], '\xAB')});
    } else if (what < 20) {
      const auto due = client.acks_due.find(nsp);
      const std::size_t id = due != client.acks_due.end() && !due->second.empty() ? *due->second.begin() : 77'777;
      packets.push_back({.kind = Kind::acknowledgement,
                         .text = "43" + prefix(nsp) + std::to_string(id) + "[1]",
                         .nsp = nsp,
                         .number = id});
    } else if (what < kPong) {
      packets.push_back({.kind = Kind::disconnect, .text = "41" + prefix(nsp), .nsp = nsp});
    } else if (what < 25) {
      packets.push_back({.kind = Kind::pong, .text = "3"});
    } else if (what == 25) {
      packets.push_back({.kind = Kind::harmless, .text = kHarmless[choices.pick(kHarmless.size())]});
    } else if (what == 26) {
      packets.push_back({.kind = Kind::unknown_namespace, .text = "40/unknown,", .nsp = "/unknown"});
    } else if (what == 27) {
      packets.push_back({.kind = Kind::close, .text = "1"});
    } else if (what == 28) {
      packets.push_back({.kind = Kind::ping, .text = choices.pick(2) == 0 ? "2" : "2probe"});
    } else if (what == 29) {
      packets.push_back({.kind = Kind::garbage, .text = kGarbage[choices.pick(kGarbage.size())]});
    } else if (what == 30) {
      packets.push_back({.kind = Kind::malformed, .text = kMalformed[choices.pick(kMalformed.size())]});
    } else {
      packets.push_back({.kind = Kind::attachment, .text = "stray"});
    }
  }
  /// Again and again, whether or not it reads the answers.
  void join_and_leave(ModelClient& client) {
    for (std::size_t count = std::array<std::size_t, 4>{2, 5, 30, 120}[choices.pick(4)]; count > 0; --count) {
      const std::string nsp = "/a";
      if (!client.alive) return;
      const std::vector<Sent> packets{client.present.contains(nsp)
                                          ? Sent{.kind = Kind::disconnect, .text = "41" + prefix(nsp), .nsp = nsp}
                                          : connect_packet(nsp)};
      if (client.main) {
        say(*client.main, packets);
      } else {
        post(client, packets);
      }
    }
  }
  /// Bytes that nobody has thought about. Nothing is foreseen of this client from here on, but of the others.
  void run_wild(ModelClient& client) {
    client.wild = true;
    const std::string bytes(choices.take(1 + choices.pick(40)));
    for (auto& [connection, wire] : wires) {
      if (wire.client != client.number) continue;
      wire.unsent_bytes += choices.pick(2) == 0 ? bytes : frame(0x81, bytes);
      wire.unsent.clear();
      wire.asked_to_switch = true;
      return feed(connection, wire.unsent_bytes.size());
    }
    request(new_connection(), {client.number, false, std::nullopt},
            engineio::make_request("POST", query(client), bytes, std::string(kPath)));
  }

  /// What a good client does of itself: polls, answers pings and goodbyes, sends what it has.
  void attend(ModelClient& client) {
    std::vector<ConnectionId> own;
    for (const auto& [connection, wire] : wires)
      if (wire.client == client.number) own.push_back(connection);
    for (const ConnectionId connection : own) {
      if (wires.contains(connection)) resume(connection);
      if (wires.contains(connection) && !wires.at(connection).unsent_bytes.empty())
        feed(connection, wires.at(connection).unsent_bytes.size());
      if (wires.contains(connection) && std::exchange(wires.at(connection).goodbye_due, false))
        say(connection, {{.kind = Kind::goodbye, .text = ""}});
    }
    const bool polling = client.transport == Transport::polling;
    if (polling && !client.poll && (client.alive || (client.flushed && !client.told_last_packet))) poll(client);
    if (!client.alive || !client.pong_due) return;
    if (client.main && wires.contains(*client.main)) {
      client.pong_due = false;
      say(*client.main, {{.kind = Kind::pong, .text = "3"}});
    } else if (polling && !client.post) {
      client.pong_due = false;
      post(client, {{.kind = Kind::pong, .text = "3"}});
    }
  }

  // --- time ---

  Duration some_time() {
    static constexpr std::array<int, 8> kMilliseconds{10, 1'000, 2'990, 5'000, 10'000, 20'000, 25'000, 45'000};
    return std::chrono::milliseconds(kMilliseconds[choices.pick(kMilliseconds.size())]);
  }
  void pass(Duration time) {
    const Instant end = now.instant + time;
    while (server.next_deadline() <= end) {
      now.instant = std::max(now.instant, server.next_deadline());
      timer();
      for (auto& [number, client] : clients)
        if (client.attentive && (client.alive || client.flushed)) attend(client);
    }
    now.instant = end;
  }
  /// The loop is held up, and late with everything.
  void stall(Duration time) {
    now.instant += time;
    if (server.next_deadline() <= now.instant) timer();
  }

  // --- the application ---

  SocketId some_socket() {
    // The last ones are mostly alive.
    const std::size_t back = choices.pick(std::min<std::size_t>(known.size(), 8));
    return known[known.size() - 1 - back];
  }
  void emit_something(SocketId id) {
    std::array<std::string, 2> data{std::string(choices.pick(50) * 12, 'a'), std::string(choices.pick(3), 'b')};
    const std::array<std::string_view, 2> attachments{data[0], data[1]};
    const std::size_t size = std::array<std::size_t, 4>{0, 10, 200, 900}[choices.pick(4)];
    const std::string args = std::to_string(++last_number_) + ",\"" + std::string(size, 'x') + "\"";
    const std::size_t with = choices.pick(8);
    emit(id, args, std::span(attachments).first(with < 6 ? 0 : with - 5), choices.pick(4) == 0);
  }
  void act_as_application() {
    if (known.empty()) return;
    const SocketId id = some_socket();
    for (std::size_t count = std::array<std::size_t, 4>{1, 1, 3, 20}[choices.pick(4)]; count > 0; --count)
      emit_something(id);
    if (choices.pick(4) == 0) tell_when_drained(id);
    settle();
  }
  void act_as_application_rarely() {
    if (known.empty()) return;
    const SocketId id = some_socket();
    switch (choices.pick(7)) {
      case 0:
        accept(id);
        break;
      case 1:
        refuse(id);
        break;
      case 2:
        disconnect(id);
        break;
      case 3:
        close(id, DisconnectReason::forced_close);
        break;
      case 4:
        close(id, DisconnectReason::slow_consumer);
        break;
      case 5:
        reply(id, 3);
        break;
      default:
        tell_when_drained(id);
    }
    settle();
  }
  void on_connect_requested(SocketId id) override {
    switch (choices.pick(16)) {
      case 15:
        return;  // decides later, or never
      case 14:
        return refuse(id);
      case 13:
        accept(id);
        return disconnect(id);
      case 12:
        accept(id);
        return close(id, DisconnectReason::forced_close);
      default:
        accept(id);
        if (choices.pick(2) == 0) emit_something(id);
    }
  }
  void on_event(SocketId id, std::optional<std::uint64_t> ack) override {
    if (ack && choices.pick(8) != 7) reply(id, *ack);
    if (choices.pick(32) == 31) close(id, DisconnectReason::forced_close);
  }

  // --- the end ---

  void finish(bool shut_down) {
    draining = true;
    while (!begun_.empty()) end_post();
    attend_until_delivered();
    require_all_told();
    if (shut_down) {
      close_all();
      attend_until_delivered();
    }
    for (auto& [number, client] : clients) client.attentive = false;
    pass(std::chrono::seconds(200));
    require(server.connection_count() == 0 && idle(), "something is left when everybody has long been silent");
    require(wires.empty(), "a WebSocket is left");
    require(server.next_deadline() == kNever, "a timer is left");
  }
  void attend_until_delivered() {
    const auto is_owed = [](const ModelClient& client) {
      return !client.wild && (!client.owed.empty() || client.pings_due > 0) &&
             (client.alive || (client.flushed && !client.told_last_packet));
    };
    for (int round = 0; round < 200; ++round) {
      bool done = true;
      for (auto& [number, client] : clients) {
        if (!is_owed(client) && round > 0) continue;
        attend(client);
        done = false;
      }
      if (done) return;
    }
    for (auto& [number, client] : clients)
      require(!client.alive || !is_owed(client), "client " + std::to_string(number) + " never gets " +
                                                     (client.owed.empty() ? "" : client.owed.front().data));
  }

  std::array<std::optional<std::size_t>, kPlaces> places_;
  std::map<ConnectionId, std::size_t> begun_;  // POSTs whose head alone has been sent, and their clients
  ConnectionId last_connection_ = 100;
  std::size_t last_number_ = 0;
};

}  // namespace famemely::socketio
