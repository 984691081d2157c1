#include "api/admin_events.hpp"

#include <algorithm>
#include <utility>

#include "base/json_text.hpp"
#include "gateway/message_event.hpp"

namespace famemely::api {
namespace {

/// The UI knows this text, and asks for the password again.
constexpr std::string_view kRefusal = "invalid credentials";

/// How long a session lasts whose token says nothing of its end.
constexpr std::chrono::hours kSessionLifetimeMax{24};

std::optional<std::string> text_of(const std::optional<JsonView>& auth, std::string_view member) {
  const auto value = auth ? auth->find(member) : std::nullopt;
  return value ? value->as_string() : std::nullopt;
}

}  // namespace

AdminEvents::AdminEvents(AdminOptions options, socketio::Server& server, gateway::Worker& worker,
                         gateway::SignIns& sign_ins, AuditLog& audit)
    : options_(std::move(options)),
      sessions_(options_.session_key),
      server_(server),
      worker_(worker),
      sign_ins_(sign_ins),
      audit_(audit) {}

// --- who comes in ---

Result<AdminSession, std::string> AdminEvents::sign_in(const socketio::ConnectRequested& request, Now now,
                                                       bool& by_token) {
  std::optional<JsonView> auth;
  if (auto parsed = JsonView::parse(request.auth_json)) auth = *parsed;
  if (const auto id = text_of(auth, "sessionId"))
    if (auto session = sessions_.find(*id, now.wall); session && counts(*session, now)) return *std::move(session);

  by_token = true;
  const std::string token = text_of(auth, "password").value_or("");
  const auto signed_in = sign_ins_.sign_in(token, !request.handshake.origin.empty(), now.wall);
  if (!signed_in) return failure(signed_in.error().message);
  const gateway::Identity& identity = *signed_in->identity;
  if (!identity.is_administrator()) return failure(std::string("not an administrator: ") + identity.user_id);
  // No leeway here: a session that is over would be ended at once.
  const WallTime expires_at = identity.expires_at.value_or(now.wall + kSessionLifetimeMax);
  if (expires_at <= now.wall) return failure(std::string("token expired"));
  const bool by_api_key = identity.key_mark.kind == gateway::KeyKind::api_key;
  return AdminSession{.user_id = identity.user_id,
                      .expires_at = expires_at,
                      .key_id = identity.key_id,
                      .key_mark = identity.key_mark,
                      .key_role = by_api_key ? identity.roles.front() : ""};
}

bool AdminEvents::counts(const AdminSession& session, Now now) const {
  return session.expires_at > now.wall && sign_ins_.still_accepts(session.identity());
}

void AdminEvents::on_connect(const socketio::ConnectRequested& request, Now now, socketio::Effects& effects) {
  if (!server_.transport(request.socket)) return;  // gone before anybody looked
  bool by_token = false;
  auto session = sign_in(request, now, by_token);
  if (session && admins_.size() >= kAdminsMax) {
    server_.refuse(request.socket, "too many administrators", R"({"statusCode":429})");
    return;
  }
  if (!session) {
    server_.refuse(request.socket, kRefusal, R"({"statusCode":401})");
    audit_.write(AuditEvent::administrator, "administrator refused", now.instant, [&] {
      return std::vector<LogField>{{"remote", request.handshake.remote_address}, {"reason", session.error()}};
    });
    return;
  }
  server_.accept(request.socket, now, effects);
  audit_.write(AuditEvent::administrator, "administrator connected", now.instant, [&] {
    return std::vector<LogField>{{"socket", server_.sid(request.socket)},
                                 {"user", session->user_id},
                                 {"remote", request.handshake.remote_address}};
  });
  const bool first = admins_.empty();
  Admin& admin = admins_.emplace_back(Admin{request.socket, *std::move(session)});
  if (by_token) emit(admin, "session", json_string(sessions_.make_id(admin.session)));
  emit(admin, "config", admin_config_json());
  if (!first)
    show(admin);
  else if (due_ == kNever || due_ <= now.instant)
    ask(now);  // sooner than that it waits for its turn, however often somebody comes and goes
}

AdminEvents::Admin* AdminEvents::find(socketio::SocketId socket) {
  const auto found = std::ranges::find(admins_, socket, &Admin::socket);
  return found == admins_.end() ? nullptr : &*found;
}

bool AdminEvents::on_disconnected(const socketio::SocketDisconnected& gone, Now now) {
  const Admin* admin = find(gone.socket);
  if (!admin) return false;
  audit_.write(AuditEvent::administrator, "administrator disconnected", now.instant, [&] {
    return std::vector<LogField>{{"socket", gone.sid.text()},
                                 {"user", admin->session.user_id},
                                 {"remote", gone.remote_address},
                                 {"reason", socketio::to_string(gone.reason)}};
  });
  admins_.erase(admins_.begin() + (admin - admins_.data()));
  if (!admins_.empty()) return true;
  traffic_.reset();
  sockets_json_.clear();
  stats_frame_ = {};
  sockets_frame_ = {};
  return true;
}

// --- what they want ---

bool AdminEvents::on_event(const socketio::EventReceived& event, Now now) {
  const Admin* admin = find(event.socket);
  if (!admin) return false;
  // `_disconnect(namespace, close the connection as well?, socket id)`. The UI offers what the configuration has said;
  // what else it sends is not meant for us. A missing id would mean everybody.
  if (event.name != "_disconnect" || event.args.size() != 3 || !counts(admin->session, now)) return true;
  const auto nsp = JsonView::parse(event.args[0]);
  const auto close = JsonView::parse(event.args[1]);
  const auto id = JsonView::parse(event.args[2]);
  if (!nsp || !close || !id || nsp->as_string() != gateway::kNamespace) return true;
  if (auto sid = id->as_string())
    worker_.disconnect_anywhere(*std::move(sid), close->as_boolean().value_or(false), admin->session.user_id);
  return true;
}

void AdminEvents::on_disconnect_wanted(const gateway::DisconnectWanted& wanted, Now now, socketio::Effects& effects) {
  if (worker_.disconnect_here(wanted, now, effects))
    audit_.write(AuditEvent::administrator, "disconnected by administrator", now.instant, [&] {
      return std::vector<LogField>{{"socket", wanted.sid}, {"by", wanted.by}};
    });
}

// --- what they see ---

void AdminEvents::ask(Now now) {
  due_ = now.instant + kInterval;
  if (!asked_) asked_ = worker_.survey({.sockets = true});
}

void AdminEvents::on_timer(Now now, socketio::Effects& effects) {
  if (now.instant < next_deadline()) return;
  // They leave the list when the server says that they are gone.
  for (const Admin& admin : admins_)
    if (!counts(admin.session, now)) server_.disconnect(admin.socket, now, effects);
  ask(now);
}

bool AdminEvents::on_outcome(const gateway::Outcome& outcome, Now now) {
  const auto* answer = std::get_if<gateway::SurveyOutcome>(&outcome);
  if (!answer || answer->request != asked_) return false;
  asked_.reset();
  if (admins_.empty()) return true;
  const gateway::Survey& survey = *answer->survey;
  const std::string stats = server_stats_json(options_.server, survey, traffic_.value_or(survey.traffic), now);
  traffic_ = survey.traffic;
  stats_frame_ = socketio::make_event_frame(kAdminNamespace, "server_stats", stats);
  std::string sockets = all_sockets_json(survey.sockets);
  if (sockets != sockets_json_) {
    sockets_json_ = std::move(sockets);
    sockets_frame_ = socketio::make_event_frame(kAdminNamespace, "all_sockets", sockets_json_);
    for (Admin& admin : admins_) admin.has_sockets = false;
  }
  for (Admin& admin : admins_) show(admin);
  return true;
}

/// Who does not keep up misses some, and gets the next.
void AdminEvents::show(Admin& admin) {
  if (stats_frame_) server_.emit(admin.socket, stats_frame_);
  if (sockets_frame_ && !admin.has_sockets)
    admin.has_sockets = server_.emit(admin.socket, sockets_frame_) == socketio::EmitResult::queued;
}

void AdminEvents::emit(const Admin& admin, std::string_view event, std::string_view args_json) {
  server_.emit(admin.socket, socketio::make_event_frame(kAdminNamespace, event, args_json));
}

}  // namespace famemely::api
