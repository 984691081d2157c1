#include "api/socket_events.hpp"

#include <fmt/format.h>

#include <utility>

#include "api/json_views.hpp"
#include "api/publish_request.hpp"
#include "api/request_schema.hpp"
#include "api/topic_reading.hpp"
#include "gateway/message_event.hpp"

namespace famemely::api {
namespace {

constexpr std::string_view kStatus = "mqtt:status";
constexpr std::string_view kPublish = "mqtt:publish";
constexpr std::string_view kSubscribe = "mqtt:subscribe";
constexpr std::string_view kUnsubscribe = "mqtt:unsubscribe";
constexpr std::string_view kSubscriptions = "mqtt:subscriptions";
constexpr std::string_view kAuth = "mqtt:auth";
constexpr std::string_view kUnknown = "mqtt";  // its error event is `mqtt:error`

/// The token of a CONNECT packet's auth object, failing that of the handshake's Authorization header.
Result<std::string, Error> presented_token(const socketio::ConnectRequested& request) {
  if (!request.auth_json.empty()) {
    const auto auth = JsonView::parse(request.auth_json);
    const auto token = auth ? auth->find("token") : std::nullopt;
    if (token && !token->is_null()) {
      if (auto text = token->as_string()) return *std::move(text);
      return failure(Error{ErrorCode::unauthorized, "Token verification failed: auth.token must be a string"});
    }
  }
  return std::string(gateway::bearer_token(request.handshake.authorization));
}

/// Some clients can't do with the offset that every event then carries.
bool declines_recovery(const socketio::ConnectRequested& request) {
  if (request.auth_json.empty()) return false;
  const auto auth = JsonView::parse(request.auth_json);
  const auto recovery = auth ? auth->find("recovery") : std::nullopt;
  return recovery && recovery->raw() == "false";
}

/// The one argument that our events take.
Result<JsonView, Error> object_argument(const socketio::EventReceived& event) {
  if (!event.args.empty()) {
    auto view = JsonView::parse(event.args.front());
    if (!view) return failure(Error{ErrorCode::bad_request, "Malformed JSON: " + view.error().what});
    if (view->kind() == JsonKind::object) return *view;
  }
  return failure(Error{ErrorCode::bad_request, fmt::format("{} takes one argument, an object", event.name)});
}

/// Errors name the topic where the request has one, whatever else is wrong with it.
std::string topic_of(const Result<JsonView, Error>& argument) {
  const auto topic = argument ? argument->find("topic") : std::nullopt;
  return topic ? topic->as_string().value_or("") : "";
}

}  // namespace

SocketEvents::SocketEvents(socketio::Server& server, gateway::Worker& worker, gateway::SignIns& sign_ins,
                           const UserLimiting& limiting, AuditLog& audit, Logger& logger)
    : server_(server), worker_(worker), sign_ins_(sign_ins), limiting_(limiting), audit_(audit), logger_(logger) {}

// --- connections ---

void SocketEvents::on_connect(const socketio::ConnectRequested& request, Now now, socketio::Effects& effects) {
  if (!server_.transport(request.socket)) return;  // gone before anybody looked
  const auto token = presented_token(request);
  const Result<gateway::SignedIn, Error> signed_in =
      token ? sign_ins_.sign_in(*token, !request.handshake.origin.empty(), now.wall) : failure(token.error());
  if (!signed_in) {
    const Error& error = signed_in.error();
    limiting_.note_refusal(error);
    server_.refuse(request.socket, error.message, fmt::format("{{\"statusCode\":{}}}", error.status()));
    audit_.write(AuditEvent::refused, now.instant, [&] {
      return std::vector<LogField>{{"remote", request.handshake.remote_address}, {"reason", error.message}};
    });
    return;
  }
  Newcomer newcomer{*signed_in, request.handshake.remote_address};
  const bool recoverable = !declines_recovery(request);
  if (request.recovery && recoverable)
    recovering_.emplace(worker_.recover(request.socket, *request.recovery, signed_in->identity, signed_in->permissions),
                        std::move(newcomer));
  else
    accept(request.socket, newcomer, recoverable, {now, effects});
}

void SocketEvents::on_recover_outcome(const gateway::RecoverOutcome& outcome, Turn turn) {
  auto newcomer = recovering_.extract(outcome.request);
  if (shutting_down_)
    return server_.close_transport(outcome.socket, socketio::DisconnectReason::server_shutting_down, turn.now,
                                   turn.effects);
  switch (outcome.fate) {
    case gateway::RecoverOutcome::Fate::recovered:
      return welcome(outcome.socket, AuditEvent::recovered, newcomer.mapped(), turn);
    case gateway::RecoverOutcome::Fate::new_session:
      newcomer.mapped().signed_in.permissions = outcome.permissions;
      return accept(outcome.socket, newcomer.mapped(), true, turn);
    case gateway::RecoverOutcome::Fate::gone:
      return;
  }
}

void SocketEvents::accept(socketio::SocketId socket, const Newcomer& newcomer, bool recoverable, Turn turn) {
  if (!server_.transport(socket)) return;  // its connection has ended, which is about to be told
  const std::string& user_id = newcomer.signed_in.identity->user_id;
  auto seat = limiting_.take_seat(user_id, turn.now.instant);
  if (!seat) {
    const Error& error = seat.error();
    server_.refuse(socket, error.message, fmt::format("{{\"statusCode\":{}}}", error.status()));
    worker_.turn_away(user_id);
    audit_.write(AuditEvent::refused, turn.now.instant, [&] {
      return std::vector<LogField>{{"user", user_id}, {"remote", newcomer.remote_address}, {"reason", error.message}};
    });
    return;
  }
  const auto pid = recoverable ? worker_.make_pid() : std::nullopt;
  server_.accept(socket, turn.now, turn.effects, {.pid = pid});
  worker_.add_client(socket, newcomer.signed_in.identity, newcomer.signed_in.permissions, turn.now, pid);
  worker_.give_seat(socket, *std::move(seat));
  welcome(socket, AuditEvent::connected, newcomer, turn);
}

void SocketEvents::welcome(socketio::SocketId socket, AuditEvent event, const Newcomer& newcomer, Turn turn) {
  const auto transport = server_.transport(socket);
  if (!transport) return;
  emit(socket, kStatus, status_json(worker_.link_status(), shutting_down_), turn);
  audit_.write(event, turn.now.instant, [&] {
    return std::vector<LogField>{{"socket", server_.sid(socket)},
                                 {"user", newcomer.signed_in.identity->user_id},
                                 {"remote", newcomer.remote_address},
                                 {"transport", socketio::to_string(*transport)}};
  });
}

void SocketEvents::on_disconnected(const socketio::SocketDisconnected& gone, Now now) {
  const gateway::Client* client = worker_.find(gone.socket);
  if (!client && gone.sid == engineio::Sid()) return;  // it never was in
  audit_.write(AuditEvent::disconnected, now.instant, [&] {
    std::vector<LogField> fields{{"socket", gone.sid.text()}};
    if (client) fields.emplace_back("user", client->identity->user_id);
    fields.emplace_back("remote", gone.remote_address);
    fields.emplace_back("reason", client ? socketio::to_string(gone.reason) : "its session has come back elsewhere");
    return fields;
  });
  if (!client) return;
  if (socketio::is_recoverable(gone.reason) && gone.reason != socketio::DisconnectReason::server_shutting_down)
    worker_.keep_session(gone.socket, now);
  else
    worker_.remove_client(gone.socket);
}

void SocketEvents::announce_status(Now now, socketio::Effects& effects) {
  const std::string status = status_json(worker_.link_status(), shutting_down_);
  std::vector<socketio::SocketId> sockets;
  worker_.for_each_client([&](const gateway::Client& client) { sockets.push_back(client.socket); });
  for (const socketio::SocketId socket : sockets) emit(socket, kStatus, status, {now, effects});
}

// --- events ---

void SocketEvents::on_event(const socketio::EventReceived& event, Now now, socketio::Effects& effects) {
  gateway::Client* client = worker_.find(event.socket);
  if (!client || client->leaving) return;
  const Turn turn{now, effects};
  Asker asker{event.socket, event.ack_id, kUnknown, {}};
  if (event.name == kPublish) {
    asker.event = kPublish;
    publish(event, std::move(asker), *client, turn);
  } else if (event.name == kSubscribe) {
    asker.event = kSubscribe;
    subscribe(event, std::move(asker), *client, turn);
  } else if (event.name == kUnsubscribe) {
    asker.event = kUnsubscribe;
    unsubscribe(event, std::move(asker), *client, turn);
  } else if (event.name == kStatus) {
    asker.event = kStatus;
    const std::string status = status_json(worker_.link_status(), shutting_down_);
    if (asker.ack_id)
      acknowledge(asker, with_success(status), turn);
    else
      emit(asker.socket, kStatus, status, turn);
  } else if (event.name == kSubscriptions) {
    asker.event = kSubscriptions;
    list_subscriptions(asker, *client, turn);
  } else if (event.name == kAuth) {
    asker.event = kAuth;
    renew_token(event, asker, *client, turn);
  } else {
    fail(asker, Error{ErrorCode::not_found, fmt::format("Unknown event: {}", event.name)}, turn);
  }
}

void SocketEvents::publish(const socketio::EventReceived& event, Asker asker, gateway::Client& client, Turn turn) {
  const auto argument = object_argument(event);
  asker.topic = topic_of(argument);
  if (!argument) return fail(asker, argument.error(), turn);
  std::optional<std::string_view> attachment;
  if (const auto payload = argument->find("payload")) attachment = event.attachment(*payload);
  if (!event.attachments.empty() && !attachment)
    return fail(
        asker, Error{ErrorCode::bad_request, "payload must be JSON, or one Buffer: none inside it or elsewhere"}, turn);
  if (client.seat.publish(turn.now.instant)) return fail(asker, limiting_.too_many_publishes(), turn);
  auto message = read_publish(*argument, attachment, limiting_.topics);
  if (!message) return fail(asker, message.error(), turn);
  if (const auto decision = client.permissions->decide_publish(message->topic); !decision)
    return deny(asker, client, "publish to", decision, turn);
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("publish", {{"socket", server_.sid(asker.socket)},
                              {"user", client.identity->user_id},
                              {"topic", asker.topic},
                              {"qos", message->qos},
                              {"bytes", message->payload.size()}});
  wait(worker_.publish(*std::move(message)), std::move(asker));
}

void SocketEvents::subscribe(const socketio::EventReceived& event, Asker asker, const gateway::Client& client,
                             Turn turn) {
  const auto argument = object_argument(event);
  asker.topic = topic_of(argument);
  if (!argument) return fail(asker, argument.error(), turn);
  const auto members = check_members(*argument, kSubscribeMembers);
  if (!members) return fail(asker, members.error(), turn);
  const auto filter = read_filter(*(*members)[0]->as_string(), limiting_.topics);
  if (!filter) return fail(asker, filter.error(), turn);
  if (const auto decision = client.permissions->decide_subscribe(*filter); !decision)
    return deny(asker, client, "subscribe to", decision, turn);
  const auto qos = static_cast<std::uint8_t>((*members)[1] ? *(*members)[1]->as_integer() : 0);
  audit_.write(AuditEvent::subscribed, turn.now.instant, [&] {
    return describe(client, {{"topic", asker.topic}, {"qos", qos}});
  });
  const gateway::RequestId request = worker_.subscribe(asker.socket, *filter, qos);
  wait(request, std::move(asker));
}

void SocketEvents::unsubscribe(const socketio::EventReceived& event, Asker asker, const gateway::Client& client,
                               Turn turn) {
  const auto argument = object_argument(event);
  asker.topic = topic_of(argument);
  if (!argument) return fail(asker, argument.error(), turn);
  const auto members = check_members(*argument, kUnsubscribeMembers);
  if (!members) return fail(asker, members.error(), turn);
  const auto filter = read_filter(*(*members)[0]->as_string(), limiting_.topics);
  if (!filter) return fail(asker, filter.error(), turn);
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("unsubscribe",
                  {{"socket", server_.sid(asker.socket)}, {"user", client.identity->user_id}, {"topic", asker.topic}});
  const gateway::RequestId request = worker_.unsubscribe(asker.socket, *filter);
  wait(request, std::move(asker));
}

/// Its user's subscription is not the socket's to end.
Error SocketEvents::explain_unsubscribe(const Error& error, const Asker& asker) const {
  const gateway::Client* client = worker_.find(asker.socket);
  if (error.code == ErrorCode::not_found && client)
    for (const auto& held : worker_.user_subscriptions(*client))
      if (held->filter.text() == asker.topic)
        return Error{ErrorCode::not_found,
                     fmt::format("Not subscribed to {} by this socket: use DELETE /mqtt/unsubscribe", asker.topic)};
  return error;
}

void SocketEvents::list_subscriptions(const Asker& asker, const gateway::Client& client, Turn turn) {
  using Source = gateway::ListedSubscription::Source;
  const std::string& user_id = client.identity->user_id;
  std::vector<gateway::ListedSubscription> listed;
  listed.reserve(client.subscriptions.size());
  for (const gateway::Subscription& own : client.subscriptions)
    listed.push_back({own.id, own.filter.text(), own.qos, user_id, own.created_at, Source::socket});
  for (const auto& of_user : worker_.user_subscriptions(client))
    listed.push_back({of_user->id, of_user->filter.text(), of_user->qos, user_id, of_user->created_at, Source::rest});
  if (asker.ack_id) return acknowledge(asker, with_success(subscriptions_json(listed)), turn);
  emit(asker.socket, kSubscriptions, subscription_list_json(listed), turn);
}

std::vector<LogField> SocketEvents::describe(const gateway::Client& client, std::vector<LogField> more) const {
  std::vector<LogField> fields{{"socket", server_.sid(client.socket)},
                               {"user", client.identity->user_id},
                               {"remote", server_.handshake(client.socket).remote_address}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

void SocketEvents::deny(const Asker& asker, const gateway::Client& client, std::string_view what,
                        const gateway::Decision& decision, Turn turn) {
  audit_.write(AuditEvent::denied, turn.now.instant, [&] {
    return describe(client, {{"operation", asker.event},
                             {"topic", asker.topic},
                             {"reason", to_text(decision, client.permissions->policy())}});
  });
  fail(asker, Error{ErrorCode::forbidden, fmt::format("Not authorized to {} {}", what, asker.topic)}, turn);
}

void SocketEvents::renew_token(const socketio::EventReceived& event, const Asker& asker, const gateway::Client& client,
                               Turn turn) {
  if (!server_.transport(asker.socket)) return;  // it is gone: others of these may have been the reason
  const auto argument = object_argument(event);
  if (!argument) return fail(asker, argument.error(), turn);
  const auto members = check_members(*argument, kAuthMembers);
  if (!members) return fail(asker, members.error(), turn);
  if (const auto refusal = server_.refuse_attempt(asker.socket, turn.now.instant)) {
    audit_.write(AuditEvent::turned_away, turn.now.instant, [&] {
      return describe(client, {{"status", refusal->status}, {"reason", refusal->message}});
    });
    fail(asker, Error{ErrorCode::too_many_requests, refusal->message}, turn);
    return server_.note_attempt(asker.socket, false, turn.now, turn.effects);
  }
  const bool from_browser = !server_.handshake(asker.socket).origin.empty();
  auto signed_in = sign_ins_.sign_in(*(*members)[0]->as_string(), from_browser, turn.now.wall);
  if (signed_in && signed_in->identity->user_id != client.identity->user_id)
    signed_in = failure(Error{ErrorCode::unauthorized, "The token is another user's: sub must stay the same"});
  if (!signed_in) {
    audit_.write(AuditEvent::not_renewed, turn.now.instant, [&] {
      return describe(client, {{"reason", signed_in.error().message}});
    });
    fail(asker, signed_in.error(), turn);
    return server_.note_attempt(asker.socket, false, turn.now, turn.effects);
  }
  server_.note_attempt(asker.socket, true, turn.now, turn.effects);
  audit_.write(AuditEvent::renewed, turn.now.instant, [&] { return describe(client, {}); });
  const auto expires_at = signed_in->identity->expires_at;
  succeed(asker, expires_at ? fmt::format("{{\"expiresAt\":\"{}\"}}", to_iso8601(*expires_at)) : "{}", turn);
  worker_.renew(asker.socket, std::move(signed_in->identity), std::move(signed_in->permissions), turn.now);
}

// --- answers ---

void SocketEvents::wait(gateway::RequestId request, Asker asker) {
  if (gateway::Client* client = worker_.find(asker.socket)) ++client->unanswered;
  askers_.emplace(request, std::move(asker));
}

void SocketEvents::begin_shutdown(Now now, socketio::Effects& effects) {
  shutting_down_ = true;
  announce_status(now, effects);
}

SocketEvents::Leaving SocketEvents::leave(socketio::SocketId socket) {
  gateway::Client* client = worker_.find(socket);
  if (!client) return Leaving::has_all;
  client->leaving = true;
  return client->unanswered > 0 ? Leaving::awaits_answers : Leaving::has_all;
}

bool SocketEvents::on_outcome(const gateway::Outcome& outcome, Now now, socketio::Effects& effects) {
  const Turn turn{now, effects};
  if (const auto* lost = std::get_if<gateway::SubscriptionLost>(&outcome)) {
    fail(Asker{lost->socket, std::nullopt, kSubscribe, lost->filter.text()}, lost->error, turn);
    return true;
  }
  if (const auto* revoked = std::get_if<gateway::SubscriptionRevoked>(&outcome)) {
    if (const gateway::Client* client = worker_.find(revoked->socket))
      audit_.write(AuditEvent::revoked, now.instant, [&] {
        return describe(*client, {{"topic", revoked->filter.text()}});
      });
    emit(revoked->socket, "mqtt:unsubscribed",
         fmt::format("{{\"topic\":{},\"reason\":\"not authorized\"}}", json_string(revoked->filter.text())), turn);
    return true;
  }
  if (const auto* recovered = std::get_if<gateway::RecoverOutcome>(&outcome)) {
    on_recover_outcome(*recovered, turn);
    return true;
  }
  if (const auto* late = std::get_if<gateway::LateSubscribeOutcome>(&outcome)) {
    if (const gateway::Client* client = worker_.find(late->socket))
      succeed(Asker{late->socket, std::nullopt, kSubscribe, late->subscription.filter.text()},
              subscription_json(late->subscription, client->identity->user_id), turn);
    return true;
  }
  const auto found = askers_.find(gateway::request_of(outcome));
  if (found == askers_.end()) return false;
  const Asker asker = std::move(found->second);
  askers_.erase(found);
  // Of an unfinished subscription nobody is told now: a session that is kept takes it up again.
  if (!worker_.find(asker.socket) && !std::holds_alternative<gateway::PublishOutcome>(outcome)) return true;
  if (gateway::Client* client = worker_.find(asker.socket)) --client->unanswered;

  if (const auto* subscribed = std::get_if<gateway::SubscribeOutcome>(&outcome)) {
    const gateway::Client* client = worker_.find(asker.socket);
    if (!subscribed->result)
      fail(asker, subscribed->result.error(), turn);
    else if (client)
      succeed(asker, subscription_json(*subscribed->result, client->identity->user_id), turn);
  } else if (const auto* unsubscribed = std::get_if<gateway::UnsubscribeOutcome>(&outcome)) {
    if (unsubscribed->error)
      fail(asker, explain_unsubscribe(*unsubscribed->error, asker), turn);
    else
      succeed(asker, fmt::format("{{\"topic\":{}}}", json_string(asker.topic)), turn);
  } else if (const auto* published = std::get_if<gateway::PublishOutcome>(&outcome)) {
    if (published->error)
      fail(asker, *published->error, turn);
    else
      succeed(asker, published_json(asker.topic, now.wall), turn);
  }
  return true;
}

void SocketEvents::succeed(const Asker& asker, const std::string& data_json, Turn turn) {
  if (asker.ack_id)
    acknowledge(asker, with_success(data_json), turn);
  else
    emit(asker.socket, std::string(asker.event) + ":success", data_json, turn);
}

void SocketEvents::fail(const Asker& asker, const Error& error, Turn turn) {
  limiting_.note_refusal(error);
  const std::string text = json_string(error.text());
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("request failed", {{"socket", server_.sid(asker.socket)},
                                     {"operation", asker.event},
                                     {"topic", asker.topic},
                                     {"status", error.status()},
                                     {"error", error.text()}});
  if (asker.ack_id)
    return acknowledge(asker, fmt::format("{{\"success\":false,\"error\":{},\"statusCode\":{}}}", text, error.status()),
                       turn);
  if (asker.event == kAuth) return emit(asker.socket, "mqtt:auth:error", fmt::format("{{\"error\":{}}}", text), turn);
  std::string json = fmt::format("{{\"error\":{},\"statusCode\":{}", text, error.status());
  if (!asker.topic.empty()) json += ",\"topic\":" + json_string(asker.topic);
  emit(asker.socket, std::string(asker.event) + ":error", json + "}", turn);
}

void SocketEvents::emit(socketio::SocketId socket, std::string_view event, std::string_view args_json, Turn turn) {
  worker_.emit_or_close(socket, event, std::string(args_json), turn.now, turn.effects);
}

void SocketEvents::acknowledge(const Asker& asker, std::string_view args_json, Turn turn) {
  if (server_.reply(asker.socket, *asker.ack_id, args_json) == socketio::EmitResult::full)
    server_.close_transport(asker.socket, socketio::DisconnectReason::slow_consumer, turn.now, turn.effects);
}

}  // namespace famemely::api
