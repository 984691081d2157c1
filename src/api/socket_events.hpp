#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/audit_log.hpp"
#include "api/user_limiting.hpp"
#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/logger.hpp"
#include "gateway/sign_ins.hpp"
#include "gateway/worker.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::api {

/// The events of the namespace `/mqtt`: checks what clients ask, asks it of the worker, and answers, by an event or, if
/// the client wanted it, by the acknowledgement alone.
class SocketEvents {
 public:
  SocketEvents(socketio::Server& server, gateway::Worker& worker, gateway::SignIns& sign_ins,
               const UserLimiting& limiting, AuditLog& audit, Logger& logger);

  void on_connect(const socketio::ConnectRequested& request, Now now, socketio::Effects& effects);
  void on_event(const socketio::EventReceived& event, Now now, socketio::Effects& effects);
  void on_disconnected(const socketio::SocketDisconnected& gone, Now now);
  /// False if the outcome answers somebody else's request.
  bool on_outcome(const gateway::Outcome& outcome, Now now, socketio::Effects& effects);

  /// Tells every socket of the connection to the broker.
  void announce_status(Now now, socketio::Effects& effects);

  /// Tells every socket, in this and any later status. Who is about to get a session back does not get in any more.
  void begin_shutdown(Now now, socketio::Effects& effects);
  [[nodiscard]] bool is_shutting_down() const { return shutting_down_; }
  enum class Leaving : std::uint8_t { awaits_answers, has_all };
  /// This socket's requests so far are its last: no later one is looked at. Says whether all have their answer.
  Leaving leave(socketio::SocketId socket);

 private:
  /// Who waits for an answer, and how it is to be given.
  struct Asker {
    socketio::SocketId socket;
    std::optional<std::uint64_t> ack_id;
    std::string_view event;  // a name of the table in socket_events.cpp
    std::string topic;
  };
  /// A client that is signed in and not accepted yet.
  struct Newcomer {
    gateway::SignedIn signed_in;
    std::string remote_address;
  };
  struct Turn {
    Now now;
    socketio::Effects& effects;
  };

  /// Lets a client in that has (or gets) no session to go on with.
  void accept(socketio::SocketId socket, const Newcomer& newcomer, bool recoverable, Turn turn);
  void welcome(socketio::SocketId socket, AuditEvent event, const Newcomer& newcomer, Turn turn);
  void on_recover_outcome(const gateway::RecoverOutcome& outcome, Turn turn);

  void publish(const socketio::EventReceived& event, Asker asker, gateway::Client& client, Turn turn);
  void subscribe(const socketio::EventReceived& event, Asker asker, const gateway::Client& client, Turn turn);
  void unsubscribe(const socketio::EventReceived& event, Asker asker, const gateway::Client& client, Turn turn);
  [[nodiscard]] Error explain_unsubscribe(const Error& error, const Asker& asker) const;
  void list_subscriptions(const Asker& asker, const gateway::Client& client, Turn turn);
  void renew_token(const socketio::EventReceived& event, const Asker& asker, const gateway::Client& client, Turn turn);

  /// Who is at the socket, for the audit, and what else there is to say.
  [[nodiscard]] std::vector<LogField> describe(const gateway::Client& client, std::vector<LogField> more) const;
  void deny(const Asker& asker, const gateway::Client& client, std::string_view what, const gateway::Decision& decision,
            Turn turn);
  void wait(gateway::RequestId request, Asker asker);
  void succeed(const Asker& asker, const std::string& data_json, Turn turn);
  void fail(const Asker& asker, const Error& error, Turn turn);
  void emit(socketio::SocketId socket, std::string_view event, std::string_view args_json, Turn turn);
  void acknowledge(const Asker& asker, std::string_view args_json, Turn turn);

  socketio::Server& server_;
  gateway::Worker& worker_;
  gateway::SignIns& sign_ins_;
  const UserLimiting limiting_;
  AuditLog& audit_;
  Logger& logger_;
  std::unordered_map<gateway::RequestId, Asker> askers_;
  std::unordered_map<gateway::RequestId, Newcomer> recovering_;  // clients that want their sessions back
  bool shutting_down_ = false;
};

}  // namespace famemely::api
