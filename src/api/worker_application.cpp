#include "api/worker_application.hpp"

#include <algorithm>

#include "api/security_headers.hpp"
#include "base/json_text.hpp"

namespace famemely::api {
namespace {

gateway::WorkerOptions with_keys(gateway::WorkerOptions options, const gateway::Authenticator& authenticator) {
  if (!options.still_accepts)
    options.still_accepts = [&authenticator](const gateway::Identity& who) { return authenticator.still_accepts(who); };
  return options;
}

std::string reason_of(const HttpResponse& refusal) {
  const auto body = JsonView::parse(refusal.body);
  const auto message = body ? body->find("message") : std::nullopt;
  const auto reason = message ? message->as_string() : std::nullopt;
  return reason.value_or(std::string(reason_phrase(refusal.status)));
}

std::vector<LogField> turned_away(std::string_view remote_address, int status, std::string_view reason) {
  return {{"remote", remote_address}, {"status", status}, {"reason", reason}};
}

}  // namespace

WorkerApplication::WorkerApplication(const WorkerApplicationOptions& options,
                                     const gateway::Authenticator& authenticator,
                                     const std::shared_ptr<const gateway::PermissionPolicy>& policy,
                                     RandomSource& random, Logger& logger)
    : server_(options.socketio, random),
      worker_(with_keys(options.worker, authenticator), server_, random),
      sign_ins_(authenticator, policy),
      audit_(logger),
      events_(server_, worker_, sign_ins_, options.rest.limiting, audit_, logger),
      admin_(options.admin, server_, worker_, sign_ins_, audit_),
      routes_(options.rest, worker_, sign_ins_, random, audit_, logger),
      client_bundle_(options.client_bundle, options.serve_client),
      cors_(options.cors),
      limiting_(options.rest.limiting) {}

void WorkerApplication::process(Now now, socketio::Effects& effects) {
  while (!effects.for_application.empty()) {
    taken_.swap(effects.for_application);
    for (socketio::ApplicationEffect& effect : taken_) {
      const auto* request = std::get_if<socketio::ConnectRequested>(&effect);
      if (request && events_.is_shutting_down()) {
        // Not refused: after that, clients do not try elsewhere by themselves.
        server_.close_transport(request->socket, socketio::DisconnectReason::server_shutting_down, now, effects);
        continue;
      }
      if (take_administrators(effect, now, effects)) continue;
      if (const auto* event = std::get_if<socketio::EventReceived>(&effect))
        events_.on_event(*event, now, effects);
      else if (request)
        events_.on_connect(*request, now, effects);
      else if (const auto* gone = std::get_if<socketio::SocketDisconnected>(&effect))
        events_.on_disconnected(*gone, now);
      else if (const auto* refused = std::get_if<socketio::ConnectRefused>(&effect))
        audit_.write(AuditEvent::turned_away, now.instant,
                     [&] { return turned_away(refused->remote_address, 429, refused->message); });
      else if (const auto* drained = std::get_if<socketio::QueueDrained>(&effect))
        worker_.on_queue_drained(drained->socket, now, effects);
    }
    taken_.clear();
    answer_outcomes(now, effects);
  }
}

bool WorkerApplication::take_administrators(const socketio::ApplicationEffect& effect, Now now,
                                            socketio::Effects& effects) {
  if (const auto* event = std::get_if<socketio::EventReceived>(&effect)) return admin_.on_event(*event, now);
  if (const auto* gone = std::get_if<socketio::SocketDisconnected>(&effect)) return admin_.on_disconnected(*gone, now);
  const auto* request = std::get_if<socketio::ConnectRequested>(&effect);
  if (!request || request->nsp != kAdminNamespace) return false;
  admin_.on_connect(*request, now, effects);
  return true;
}

void WorkerApplication::answer_outcomes(Now now, socketio::Effects& effects) {
  while (!worker_.outcomes().empty()) {
    outcomes_.swap(worker_.outcomes());
    for (const gateway::Outcome& outcome : outcomes_)
      if (!events_.on_outcome(outcome, now, effects) && !admin_.on_outcome(outcome, now))
        routes_.on_outcome(outcome, now, effects);
    outcomes_.clear();
  }
}

void WorkerApplication::on_request(socketio::ConnectionId connection, HttpRequest request, Now now,
                                   socketio::Effects& effects) {
  if (ClientBundle::claims(request)) {
    effects.for_io.emplace_back(socketio::Respond{connection, client_bundle_.answer(request)});
    return;
  }
  routes_.on_request(connection, request, now, effects);
  answer_outcomes(now, effects);
}

void WorkerApplication::on_request_abandoned(socketio::ConnectionId connection) { routes_.on_abandoned(connection); }

void WorkerApplication::decorate(HttpResponse& response, const RequestSite& site) const {
  cors_.decorate(response, site);
  add_security_headers(response);
}

std::optional<HttpResponse> WorkerApplication::refuse_handshake(const RequestSite& site) const {
  auto refusal = cors_.refuse_handshake(site);
  if (refusal) count(limiting_.counters, Limit::origin);
  return refusal;
}

void WorkerApplication::on_turned_away(std::string_view remote_address, const HttpResponse& refusal, Now now) {
  // In a flood most lines are left out: the reason is read only for one that is written.
  audit_.write(AuditEvent::turned_away, now.instant,
               [&] { return turned_away(remote_address, refusal.status, reason_of(refusal)); });
}

void WorkerApplication::on_link_events(std::span<gateway::WorkerEvent> events, Now now, socketio::Effects& effects) {
  for (gateway::WorkerEvent& event : events) {
    const bool status = std::holds_alternative<gateway::LinkStatus>(event);
    if (const auto* changed = std::get_if<gateway::PolicyChanged>(&event)) sign_ins_.use_policy(changed->policy);
    worker_.on_link_event(event, now, effects);
    if (const auto* wanted = std::get_if<gateway::DisconnectWanted>(&event))
      admin_.on_disconnect_wanted(*wanted, now, effects);
    if (status) announcer_.on_status(worker_.link_status(), now.instant);
  }
  answer_outcomes(now, effects);
  announce_if_due(now, effects);
}

void WorkerApplication::on_link_full(std::vector<gateway::LinkCommand>& commands, Now now, socketio::Effects& effects) {
  worker_.on_link_full(commands);
  answer_outcomes(now, effects);
}

void WorkerApplication::announce_if_due(Now now, socketio::Effects& effects) {
  if (announcer_.take(now.instant)) events_.announce_status(now, effects);
}

void WorkerApplication::on_timer(Now now, socketio::Effects& effects) {
  worker_.on_timer(now, effects);
  answer_outcomes(now, effects);
  announce_if_due(now, effects);
  audit_.on_timer(now.instant);
  admin_.on_timer(now, effects);
  if (closing_) close_those_whose_turn_it_is(now, effects);
}

void WorkerApplication::close_those_whose_turn_it_is(Now now, socketio::Effects& effects) {
  while (const auto socket = closer_.take(now.instant)) {
    bool wait = server_.is_receiving(*socket) && closer_.is_patient(now.instant);
    // The transport is closed for all that share it, in whatever namespace.
    if (!wait)
      for (const socketio::SocketId each : server_.sockets_beside(*socket))
        wait |= events_.leave(each) == SocketEvents::Leaving::awaits_answers;
    if (wait)
      closer_.put_back(*socket, now.instant);
    else
      server_.close_transport(*socket, socketio::DisconnectReason::server_shutting_down, now, effects);
  }
  if (closer_.done()) server_.close_all(socketio::DisconnectReason::server_shutting_down, now, effects);
}

Instant WorkerApplication::next_deadline() const {
  return std::min({audit_.next_deadline(), announcer_.next_deadline(), closer_.next_deadline(), worker_.next_deadline(),
                   admin_.next_deadline()});
}

void WorkerApplication::begin_shutdown(Now now, socketio::Effects& effects) { events_.begin_shutdown(now, effects); }

void WorkerApplication::begin_closing(Now now, Instant done_by, socketio::Effects& effects) {
  closing_ = true;
  closer_.begin(server_.sockets(), now.instant, done_by);
  on_timer(now, effects);
}

bool WorkerApplication::idle() const {
  return worker_.idle() && routes_.idle() && server_.connection_count() == 0 && server_.leaving_count() == 0;
}

}  // namespace famemely::api
