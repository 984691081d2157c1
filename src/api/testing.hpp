#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/worker_application.hpp"
#include "gateway/message_event.hpp"
#include "protocol/engineio/test_bench.hpp"
#include "protocol/jwt/signer.hpp"

/// What the tests of this room share.
namespace famemely::api::testing {

inline constexpr std::string_view kSecret = "a-secret-of-at-least-thirty-two-bytes";

/// Keeps every line as `event name=value …`.
class Diary final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>& fields) override {
    std::string line(event);
    for (const LogField& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
    lines.push_back(std::move(line));
  }

  /// Those of one event.
  [[nodiscard]] std::vector<std::string> of(std::string_view event) const {
    std::vector<std::string> found;
    for (const std::string& line : lines)
      if (line.starts_with(std::string(event) + " ")) found.push_back(line);
    return found;
  }

  std::vector<std::string> lines;
};

/// One worker of a gateway, without a network and without a link: tests ask, and answer what is asked of the link.
class Bench {
 public:
  explicit Bench(gateway::WorkerOptions worker = {}) : worker_options_(std::move(worker)) {
    set_status({.is_connected = true, .client_id = "me", .connected_at = now.wall});
  }

  void set_status(gateway::LinkStatus status) { tell(std::move(status)); }

  [[nodiscard]] std::string token(std::string_view user, std::string_view more_claims = "") const {
    std::string claims = R"({"aud":"authenticated","role":"authenticated","exp":1800003600,"sub":")";
    claims.append(user).append("\"").append(more_claims).append("}");
    return jwt::sign_hs256(kSecret, claims);
  }

  /// Its keys may be changed.
  [[nodiscard]] gateway::Authenticator& authenticator() { return authenticator_; }

  /// Asks as this user, or as nobody; returns the connection, each time a new one.
  socketio::ConnectionId ask(std::string method, std::string target, std::string body = "",
                             std::string_view user = "alice", HttpFields fields = {}) {
    if (!user.empty())
      fields.add("Authorization", "Bearer " + token(user, user == "root" ? R"(,"user_role":"admin")" : ""));
    HttpRequest request{
        .method = std::move(method), .target = std::move(target), .fields = {}, .body = {}, .remote_address = {}};
    request.fields = std::move(fields);
    request.body = std::move(body);
    application_.on_request(++last_connection_, std::move(request), now, effects_);
    settle();
    return last_connection_;
  }
  /// The answer on that connection, `200 {…}`; empty while there is none.
  [[nodiscard]] std::string answer(socketio::ConnectionId connection) const {
    const HttpResponse* found = response(connection);
    return found ? std::to_string(found->status) + " " + found->body : "";
  }
  [[nodiscard]] std::string field(socketio::ConnectionId connection, std::string_view name) const {
    const HttpResponse* found = response(connection);
    return found ? std::string(found->fields.value_or(name, "")) : "";
  }
  [[nodiscard]] std::string answer_to(std::string method, std::string target, std::string body = "",
                                      std::string_view user = "alice") {
    return answer(ask(std::move(method), std::move(target), std::move(body), user));
  }
  void abandon(socketio::ConnectionId connection) { application_.on_request_abandoned(connection); }
  [[nodiscard]] bool idle() const { return application_.idle(); }

  /// What has been asked of the link since the last look, of one kind.
  template <typename Command>
  std::vector<Command> asked() {
    std::vector<Command> found;
    for (gateway::LinkCommand& command : std::exchange(application_.commands(), {}))
      if (auto* wanted = std::get_if<Command>(&command)) found.push_back(std::move(*wanted));
    return found;
  }
  /// All of it.
  [[nodiscard]] std::vector<gateway::LinkCommand> asked_anything() {
    return std::exchange(application_.commands(), {});
  }
  /// Something that the link tells.
  void tell(gateway::WorkerEvent event) {
    std::vector<gateway::WorkerEvent> events;
    events.push_back(std::move(event));
    application_.on_link_events(events, now, effects_);
    settle();
  }

  /// A socket of this user, on a WebSocket of its own.
  socketio::ConnectionId join(std::string_view user) { return join_by(token(user)); }
  socketio::ConnectionId join_by(std::string_view token) {
    const socketio::ConnectionId connection = ++last_connection_;
    application_.transports().on_upgrade(connection, engineio::make_upgrade("EIO=4&transport=websocket", "/socket.io/"),
                                         now, effects_);
    settle();
    send(connection, R"(40/mqtt,{"token":")" + std::string(token) + "\"}");
    network_.received[connection].clear();
    return connection;
  }
  /// Its connection drops.
  void leave(socketio::ConnectionId connection) {
    application_.transports().on_disconnected(connection, now, effects_);
    settle();
  }
  /// Time goes by, and the timer of whatever is due then rings.
  void pass(Duration time) {
    now.instant += time;
    now.wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    application_.on_timer(now, effects_);
    settle();
  }
  void begin_shutdown() {
    application_.begin_shutdown(now, effects_);
    settle();
  }
  void begin_closing(Duration time) {
    application_.begin_closing(now, now.instant + time, effects_);
    settle();
  }
  /// A WebSocket that has joined nothing yet.
  socketio::ConnectionId open(std::string_view origin = "") {
    const socketio::ConnectionId connection = ++last_connection_;
    HttpRequest request = engineio::make_upgrade("EIO=4&transport=websocket", "/socket.io/");
    if (!origin.empty()) request.fields.add("Origin", std::string(origin));
    application_.transports().on_upgrade(connection, request, now, effects_);
    settle();
    network_.received[connection].clear();
    return connection;
  }
  /// A packet from the client.
  void send(socketio::ConnectionId connection, std::string_view packet) {
    send_bytes(connection, engineio::masked_text(packet));
  }
  void send_bytes(socketio::ConnectionId connection, std::string bytes) {
    application_.transports().on_websocket_bytes(connection, bytes, now, effects_);
    settle();
  }
  /// What the client has been sent since the last look.
  std::vector<std::string> received(socketio::ConnectionId connection) {
    return std::exchange(network_.received[connection], {});
  }

  // What the network asks of a machine.
  std::size_t gather(socketio::ConnectionId connection, std::span<engineio::Piece> pieces) {
    return application_.transports().gather(connection, pieces);
  }
  bool wrote(socketio::ConnectionId connection, std::size_t bytes) {
    return application_.transports().wrote(connection, bytes, now, effects_);
  }

 private:
  [[nodiscard]] WorkerApplicationOptions options() const {
    WorkerApplicationOptions made;
    made.worker = worker_options_;
    made.socketio.namespaces = {std::string(gateway::kNamespace)};
    made.socketio.namespaces.emplace_back(kAdminNamespace);
    made.admin = {
        .session_key = "a-key-of-this-process-and-no-other",
        .server = {.id = "node-1", .hostname = "machine", .pid = 42, .started_at = Instant(std::chrono::minutes(59))}};
    made.rest = {.version = "1.2.3", .started_at = Instant(std::chrono::hours(1))};
    return made;
  }

  [[nodiscard]] const HttpResponse* response(socketio::ConnectionId connection) const {
    const auto found = network_.responses.find(connection);
    return found == network_.responses.end() || found->second.empty() ? nullptr : &found->second.back();
  }

  void settle() {
    do {
      application_.process(now, effects_);
      application_.transports().end_of_turn(now, effects_);
      network_.apply(std::exchange(effects_.for_io, {}), *this);
    } while (!effects_.for_application.empty() || !effects_.for_io.empty());
  }

  gateway::WorkerOptions worker_options_;
  engineio::SeededRandom random_;
  gateway::Authenticator authenticator_{jwt::Verifier({.secret = std::string(kSecret)}),
                                        gateway::RoleClaims::defaults()};
  engineio::Network network_;
  socketio::Effects effects_;
  socketio::ConnectionId last_connection_ = 0;

 public:
  Diary log;
  Now now{Instant(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'800'000'000))};

 private:
  WorkerApplication application_{
      options(), authenticator_,
      std::make_shared<const gateway::PermissionPolicy>(gateway::PermissionPolicy::built_in()), random_, log};
};

}  // namespace famemely::api::testing
