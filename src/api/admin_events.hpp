#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin_json.hpp"
#include "api/admin_sessions.hpp"
#include "api/audit_log.hpp"
#include "base/instant.hpp"
#include "base/logger.hpp"
#include "gateway/sign_ins.hpp"
#include "gateway/worker.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::api {

struct AdminOptions {
  /// Shared by all workers: signs session ids.
  std::string session_key;
  AdminServer server;
};

/// The namespace `/admin`, which the Admin UI of the Socket.IO project (`@socket.io/admin-ui`) speaks: one worker's
/// administrators, who see the whole gateway.
///
/// While somebody is signed in here, the worker asks for a survey every two seconds. Whatever happens in between, each
/// administrator gets one `server_stats` for it, and one `all_sockets` if something in it is new.
class AdminEvents {
 public:
  static constexpr std::chrono::seconds kInterval{2};
  /// Administrators at one worker.
  static constexpr std::size_t kAdminsMax = 16;

  AdminEvents(AdminOptions options, socketio::Server& server, gateway::Worker& worker, gateway::SignIns& sign_ins,
              AuditLog& audit);

  void on_connect(const socketio::ConnectRequested& request, Now now, socketio::Effects& effects);
  /// False if it is not an administrator's; likewise below.
  bool on_event(const socketio::EventReceived& event, Now now);
  bool on_disconnected(const socketio::SocketDisconnected& gone, Now now);
  bool on_outcome(const gateway::Outcome& outcome, Now now);
  /// An administrator, here or at another worker, wants a socket disconnected.
  void on_disconnect_wanted(const gateway::DisconnectWanted& wanted, Now now, socketio::Effects& effects);
  void on_timer(Now now, socketio::Effects& effects);
  [[nodiscard]] Instant next_deadline() const { return admins_.empty() ? kNever : due_; }

 private:
  struct Admin {
    socketio::SocketId socket;
    AdminSession session;
    bool has_sockets = false;  // the list as it stands
  };

  [[nodiscard]] Result<AdminSession, std::string> sign_in(const socketio::ConnectRequested& request, Now now,
                                                          bool& by_token);
  /// It is not over, and its key is in force.
  [[nodiscard]] bool counts(const AdminSession& session, Now now) const;
  [[nodiscard]] Admin* find(socketio::SocketId socket);
  void ask(Now now);
  void show(Admin& admin);
  void emit(const Admin& admin, std::string_view event, std::string_view args_json);

  AdminOptions options_;
  AdminSessions sessions_;
  socketio::Server& server_;
  gateway::Worker& worker_;
  gateway::SignIns& sign_ins_;
  AuditLog& audit_;
  std::vector<Admin> admins_;
  Instant due_ = kNever;
  std::optional<gateway::RequestId> asked_;  // the survey on its way
  // What the last survey has brought; nothing once the last administrator is gone.
  std::optional<socketio::Traffic> traffic_;
  std::string sockets_json_;
  socketio::Frame stats_frame_;
  socketio::Frame sockets_frame_;
};

}  // namespace famemely::api
