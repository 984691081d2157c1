#include "api/rest_routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "api/broadcast_request.hpp"
#include "api/content_coding.hpp"
#include "api/json_views.hpp"
#include "api/publish_request.hpp"
#include "api/request_body.hpp"
#include "base/json_text.hpp"

namespace famemely::api {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;

HttpResponse json_response(int status, std::string body) {
  HttpResponse response{.status = status, .fields = {}, .body = std::move(body)};
  response.fields.add("Content-Type", "application/json; charset=utf-8");
  return response;
}

Error validation_error(std::string what) {
  return Error{ErrorCode::bad_request, "Validation failed", {std::move(what)}};
}

Error not_authorized(std::string_view what, std::string_view topic) {
  return Error{ErrorCode::forbidden, fmt::format("Not authorized to {} {}", what, topic)};
}

}  // namespace

RestRoutes::RestRoutes(RestOptions options, gateway::Worker& worker, const gateway::Authenticator& authenticator,
                       std::shared_ptr<const gateway::PermissionPolicy> policy, RandomSource& random, Logger& logger)
    : options_(std::move(options)),
      worker_(worker),
      authenticator_(authenticator),
      policy_(std::move(policy)),
      logger_(logger) {
  std::uint8_t bytes[6];
  random.fill(bytes);
  for (const std::uint8_t byte : bytes) id_prefix_ += fmt::format("{:02x}", byte);
}

// --- requests ---

std::string RestRoutes::request_id(const HttpRequest& request) {
  const std::string_view given = request.fields.value_or("X-Request-Id", "");
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (!given.empty() && given.size() <= kRequestIdBytesMax && std::ranges::all_of(given, visible))
    return std::string(given);
  return fmt::format("{}-{}", id_prefix_, last_exchange_);
}

void RestRoutes::on_request(socketio::ConnectionId connection, const HttpRequest& request, Now now,
                            socketio::Effects& effects) {
  const Turn turn{now, effects};
  const ExchangeId id = ++last_exchange_;
  Exchange& exchange = exchanges_[id];
  exchange.connection = connection;
  exchange.request_id = request_id(request);
  exchange.method = request.method;
  exchange.path = std::string(request.path());
  exchange.accept_encoding = std::string(request.fields.value_or("Accept-Encoding", ""));
  exchange.begun = now.instant;
  by_connection_[connection] = id;

  std::optional<Error> refusal;
  if (const auto match = find_route(request.method, request.path())) {
    exchange.route = match->route;
    refusal = begin(exchange, request, match->topic, turn);
  } else {
    refusal = Error{ErrorCode::not_found, fmt::format("Cannot {} {}", request.method, request.path())};
  }
  if (refusal) refuse(exchange, *refusal, turn);
  if (exchange.awaited > 0) return;
  exchanges_.erase(id);
  by_connection_.erase(connection);
}

std::optional<Error> RestRoutes::begin(Exchange& exchange, const HttpRequest& request, std::string_view topic,
                                       Turn turn) {
  const Route& route = *exchange.route;
  if (route.access != Access::everybody) {
    const std::string_view token = gateway::bearer_token(request.fields.value_or("Authorization", ""));
    auto identity = authenticator_.authenticate(token, request.fields.find("Origin").has_value(), turn.now.wall);
    if (!identity) return std::move(identity.error());
    exchange.identity = *std::move(identity);
    if (route.access == Access::administrators && !exchange.identity->is_administrator())
      return Error{ErrorCode::forbidden, "Forbidden resource"};
  }
  switch (route.operation) {
    case Operation::health:
      answer_health(exchange, false, turn);
      return std::nullopt;
    case Operation::ready:
      answer_health(exchange, true, turn);
      return std::nullopt;
    case Operation::status:
      answer(exchange, status_json(worker_.link_status()), turn);
      return std::nullopt;
    case Operation::publish:
    case Operation::broadcast:
      return publish(exchange, request, turn);
    case Operation::publish_batch:
      return publish_batch(exchange, request, turn);
    case Operation::subscribe:
      return subscribe(exchange, request);
    case Operation::unsubscribe:
      return unsubscribe(exchange, topic);
    case Operation::subscriptions:
      survey(exchange, {.subscriptions = true, .user_id = exchange.identity->user_id});
      return std::nullopt;
    case Operation::all_subscriptions:
      survey(exchange, {.subscriptions = true});
      return std::nullopt;
    case Operation::stats:
      survey(exchange, {});
      return std::nullopt;
  }
  return std::nullopt;
}

void RestRoutes::answer_health(const Exchange& exchange, bool ready_asked, Turn turn) {
  const bool connected = worker_.link_status().is_connected;
  HttpResponse response =
      json_response(connected || !ready_asked ? 200 : 503,
                    fmt::format(R"({{"status":"{}","service":"mqtt","timestamp":"{}","version":"{}","broker":"{}"}})",
                                connected ? "ok" : "degraded", to_iso8601(turn.now.wall), options_.version,
                                connected ? "connected" : "disconnected"));
  response.fields.add("Cache-Control", "no-store");
  answer(exchange, std::move(response), turn);
}

std::optional<Error> RestRoutes::publish(Exchange& exchange, const HttpRequest& request, Turn turn) {
  const auto body = read_body(request);
  if (!body) return body.error();
  auto message = exchange.route->operation == Operation::broadcast ? read_broadcast(*body, turn.now.wall)
                                                                   : read_publish(*body, std::nullopt);
  if (!message) return std::move(message.error());
  exchange.topic = message->topic.text();
  const gateway::Permissions permissions(policy_, *exchange.identity);
  if (!permissions.decide_publish(message->topic)) return not_authorized("publish to", exchange.topic);
  log_operation("publish", exchange, message->qos, message->payload.size());
  wait(exchange, worker_.publish(*std::move(message)));
  return std::nullopt;
}

std::optional<Error> RestRoutes::publish_batch(Exchange& exchange, const HttpRequest& request, Turn turn) {
  const auto body = read_body(request);
  if (!body) return body.error();
  const auto members = check_members(*body, exchange.route->members);
  if (!members) return members.error();
  const std::vector<JsonView> items = (*members)[0]->elements();
  const gateway::Permissions permissions(policy_, *exchange.identity);
  exchange.topics.resize(items.size());
  exchange.results.resize(items.size());
  exchange.missing = items.size();
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto message = items[i].kind() == JsonKind::object ? read_publish(items[i], std::nullopt)
                                                       : failure(validation_error("each message must be an object"));
    if (message && !permissions.decide_publish(message->topic))
      message = failure(not_authorized("publish to", message->topic.text()));
    if (!message) {
      note_result(exchange, i, message.error(), turn.now);
      continue;
    }
    exchange.topics[i] = message->topic.text();
    log_operation("publish", exchange, message->qos, message->payload.size());
    wait(exchange, worker_.publish(*std::move(message)), i);
  }
  if (exchange.missing == 0) answer_batch(exchange, turn);
  return std::nullopt;
}

std::optional<Error> RestRoutes::subscribe(Exchange& exchange, const HttpRequest& request) {
  const auto body = read_body(request);
  if (!body) return body.error();
  const auto members = check_members(*body, exchange.route->members);
  if (!members) return members.error();
  auto filter = mqtt::TopicFilter::parse(*(*members)[0]->as_string());
  if (!filter) return validation_error(std::move(filter.error()));
  exchange.topic = filter->text();
  const gateway::Permissions permissions(policy_, *exchange.identity);
  if (!permissions.decide_subscribe(*filter)) return not_authorized("subscribe to", exchange.topic);
  const auto qos = static_cast<std::uint8_t>((*members)[1] ? *(*members)[1]->as_integer() : 0);
  log_operation("subscribe", exchange, qos, 0);
  wait(exchange, worker_.subscribe_user(exchange.identity->user_id, *filter, qos));
  return std::nullopt;
}

std::optional<Error> RestRoutes::unsubscribe(Exchange& exchange, std::string_view encoded_topic) {
  const auto decoded = percent_decode(encoded_topic);
  if (!decoded) return validation_error("topic must be percent-encoded: % is followed by two hexadecimal digits");
  auto filter = mqtt::TopicFilter::parse(*decoded);
  if (!filter) return validation_error(std::move(filter.error()));
  exchange.topic = filter->text();
  log_operation("unsubscribe", exchange, 0, 0);
  wait(exchange, worker_.unsubscribe_user(exchange.identity->user_id, *filter));
  return std::nullopt;
}

void RestRoutes::survey(Exchange& exchange, gateway::SurveyScope scope) {
  wait(exchange, worker_.survey(std::move(scope)));
}

void RestRoutes::wait(Exchange& exchange, gateway::RequestId request, std::size_t item) {
  ++exchange.awaited;
  awaited_.emplace(request, Awaited{last_exchange_, item});
}

void RestRoutes::on_abandoned(socketio::ConnectionId connection) {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return;
  exchanges_.at(found->second).connection.reset();
  by_connection_.erase(found);
}

// --- outcomes ---

bool RestRoutes::on_outcome(const gateway::Outcome& outcome, Now now, socketio::Effects& effects) {
  const gateway::RequestId request = gateway::request_of(outcome);
  const auto found = awaited_.find(request);
  if (found == awaited_.end()) return false;
  const Awaited awaited = found->second;
  awaited_.erase(found);
  Exchange& exchange = exchanges_.at(awaited.exchange);
  const Turn turn{now, effects};
  if (const auto* published = std::get_if<gateway::PublishOutcome>(&outcome)) {
    on_published(exchange, awaited.item, published->error, turn);
    if (exchange.missing > 0) return true;
  } else if (const auto* subscribed = std::get_if<gateway::UserSubscribeOutcome>(&outcome)) {
    if (subscribed->result)
      answer(exchange, fmt::format("{{\"success\":true,\"subscription\":{}}}", subscription_json(**subscribed->result)),
             turn);
    else
      refuse(exchange, subscribed->result.error(), turn);
  } else if (const auto* unsubscribed = std::get_if<gateway::UnsubscribeOutcome>(&outcome)) {
    if (unsubscribed->error)
      refuse(exchange, *unsubscribed->error, turn);
    else
      answer(exchange, with_success(published_json(exchange.topic, now.wall)), turn);
  } else if (const auto* survey = std::get_if<gateway::SurveyOutcome>(&outcome)) {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now.instant - options_.started_at);
    answer(exchange,
           exchange.route->operation == Operation::stats ? stats_json(worker_.link_status(), *survey->survey, uptime)
                                                         : subscriptions_json(survey->survey->subscriptions),
           turn);
  }
  if (exchange.connection) by_connection_.erase(*exchange.connection);
  exchanges_.erase(awaited.exchange);
  return true;
}

void RestRoutes::on_published(Exchange& exchange, std::size_t item, const std::optional<Error>& error, Turn turn) {
  if (exchange.route->operation == Operation::publish_batch) {
    note_result(exchange, item, error, turn.now);
    if (exchange.missing == 0) answer_batch(exchange, turn);
  } else if (error) {
    refuse(exchange, *error, turn);
  } else {
    answer(exchange, with_success(published_json(exchange.topic, turn.now.wall)), turn);
  }
}

void RestRoutes::note_result(Exchange& exchange, std::size_t item, const std::optional<Error>& error, Now now) {
  --exchange.missing;
  exchange.results[item] = error ? fmt::format("{{\"success\":false,\"statusCode\":{},\"message\":{}}}",
                                               error->status(), json_string(error->text()))
                                 : with_success(published_json(exchange.topics[item], now.wall));
  if (error) exchange.all_published = false;
}

void RestRoutes::answer_batch(const Exchange& exchange, Turn turn) {
  answer(exchange,
         fmt::format("{{\"success\":{},\"results\":[{}]}}", exchange.all_published, fmt::join(exchange.results, ",")),
         turn);
}

// --- answers ---

void RestRoutes::answer(const Exchange& exchange, std::string body, Turn turn) {
  answer(exchange, json_response(exchange.route->success_status, std::move(body)), turn);
}

void RestRoutes::refuse(const Exchange& exchange, const Error& error, Turn turn) {
  HttpResponse response = json_response(error.status(), http_error_json(error));
  if (error.code == ErrorCode::unauthorized) response.fields.add("WWW-Authenticate", "Bearer");
  if (error.code == ErrorCode::unavailable || error.code == ErrorCode::too_many_requests)
    response.fields.add("Retry-After", "1");
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("request failed", {{"request", exchange.request_id},
                                     {"topic", exchange.topic},
                                     {"status", error.status()},
                                     {"error", error.text()}});
  answer(exchange, std::move(response), turn);
}

void RestRoutes::answer(const Exchange& exchange, HttpResponse response, Turn turn) {
  if (logger_.enabled(LogLevel::debug))
    logger_.debug(
        "request",
        {{"request", exchange.request_id},
         {"method", exchange.method},
         {"path", exchange.path},
         {"status", response.status},
         {"user", exchange.identity ? std::string_view(exchange.identity->user_id) : std::string_view()},
         {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(turn.now.instant - exchange.begun).count()}});
  if (!exchange.connection) return;
  response.fields.add("X-Request-Id", exchange.request_id);
  encode_content(response, exchange.accept_encoding);
  turn.effects.for_io.push_back(socketio::Respond{*exchange.connection, std::move(response)});
}

void RestRoutes::log_operation(std::string_view event, const Exchange& exchange, std::uint8_t qos,
                               std::size_t bytes) const {
  if (!logger_.enabled(LogLevel::debug)) return;
  logger_.debug(event, {{"request", exchange.request_id},
                        {"user", exchange.identity->user_id},
                        {"topic", exchange.topic},
                        {"qos", qos},
                        {"bytes", bytes}});
}

}  // namespace famemely::api
