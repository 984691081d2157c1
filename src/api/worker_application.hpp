#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin_events.hpp"
#include "api/audit_log.hpp"
#include "api/client_bundle.hpp"
#include "api/cors.hpp"
#include "api/rest_routes.hpp"
#include "api/socket_events.hpp"
#include "api/status_announcer.hpp"
#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "gateway/application.hpp"
#include "gateway/sign_ins.hpp"
#include "gateway/worker.hpp"
#include "socketio/socket_closer.hpp"

namespace famemely::api {

struct WorkerApplicationOptions {
  socketio::Options socketio;
  gateway::WorkerOptions worker;
  CorsPolicy cors;
  RestOptions rest;
  std::span<const BundledFile> client_bundle;
  bool serve_client = true;
  AdminOptions admin{};  // of use if `/admin` is among the namespaces
};

/// One worker's share of the gateway: the Socket.IO server, the clients, the events and the routes, put together.
class WorkerApplication final : public gateway::Application {
 public:
  WorkerApplication(const WorkerApplicationOptions& options, const gateway::Authenticator& authenticator,
                    const std::shared_ptr<const gateway::PermissionPolicy>& policy, RandomSource& random,
                    Logger& logger);

  [[nodiscard]] socketio::Server& transports() override { return server_; }
  void process(Now now, socketio::Effects& effects) override;
  void on_request(socketio::ConnectionId connection, HttpRequest request, Now now, socketio::Effects& effects) override;
  void on_request_abandoned(socketio::ConnectionId connection) override;
  void decorate(HttpResponse& response, const RequestSite& site) const override;
  [[nodiscard]] std::optional<HttpResponse> refuse_handshake(const RequestSite& site) const override;
  void on_turned_away(std::string_view remote_address, const HttpResponse& refusal, Now now) override;
  void on_link_events(std::span<gateway::WorkerEvent> events, Now now, socketio::Effects& effects) override;
  [[nodiscard]] std::vector<gateway::LinkCommand>& commands() override { return worker_.commands(); }
  void on_link_full(std::vector<gateway::LinkCommand>& commands, Now now, socketio::Effects& effects) override;
  void on_timer(Now now, socketio::Effects& effects) override;
  [[nodiscard]] Instant next_deadline() const override;
  void begin_shutdown(Now now, socketio::Effects& effects) override;
  void begin_closing(Now now, Instant done_by, socketio::Effects& effects) override;
  [[nodiscard]] bool idle() const override;

 private:
  /// True for what concerns the namespace `/admin`, and is done with it.
  bool take_administrators(const socketio::ApplicationEffect& effect, Now now, socketio::Effects& effects);
  /// Until nothing is left that one answer has brought about.
  void answer_outcomes(Now now, socketio::Effects& effects);
  void announce_if_due(Now now, socketio::Effects& effects);
  void close_those_whose_turn_it_is(Now now, socketio::Effects& effects);

  socketio::Server server_;
  gateway::Worker worker_;
  gateway::SignIns sign_ins_;
  AuditLog audit_;
  SocketEvents events_;
  AdminEvents admin_;
  RestRoutes routes_;
  ClientBundle client_bundle_;
  CorsPolicy cors_;
  UserLimiting limiting_;
  StatusAnnouncer announcer_;
  socketio::SocketCloser closer_;
  bool closing_ = false;
  std::vector<socketio::ApplicationEffect> taken_;  // scratch of `process`
  std::vector<gateway::Outcome> outcomes_;          // scratch of `answer_outcomes`
};

}  // namespace famemely::api
