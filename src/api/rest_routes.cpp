#include "api/rest_routes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/broadcast_request.hpp"
#include "api/cors.hpp"
#include "api/json_views.hpp"
#include "api/publish_request.hpp"
#include "api/request_body.hpp"
#include "api/topic_reading.hpp"

namespace famemely::api {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;

}  // namespace

RestRoutes::RestRoutes(RestOptions options, gateway::Worker& worker, gateway::SignIns& sign_ins, RandomSource& random,
                       AuditLog& audit, Logger& logger)
    : options_(std::move(options)), worker_(worker), sign_ins_(sign_ins), audit_(audit), logger_(logger) {
  std::uint8_t bytes[6];
  random.fill(bytes);
  for (const std::uint8_t byte : bytes) id_prefix_ += fmt::format("{:02x}", byte);
}

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
  exchange.remote_address = request.remote_address;
  exchange.begun = now.instant;
  by_connection_[connection] = id;

  std::optional<Error> refusal;
  if (request.method == "OPTIONS") {
    answer(exchange, CorsPolicy::preflight(request), turn);
  } else if (const auto match = find_route(request.method, exchange.path)) {
    exchange.route = match->route;
    refusal = begin(exchange, request, match->topic, turn);
  } else {
    refusal = Error{ErrorCode::not_found, fmt::format("Cannot {} {}", request.method, exchange.path)};
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
    auto signed_in = sign_ins_.sign_in(token, !request.origin().empty(), turn.now.wall);
    if (!signed_in) {
      audit_.write(AuditEvent::unauthorized, turn.now.instant, [&] {
        return describe(exchange, {{"reason", signed_in.error().message}});
      });
      return std::move(signed_in.error());
    }
    exchange.identity = std::move(signed_in->identity);
    exchange.permissions = std::move(signed_in->permissions);
    if (route.access == Access::administrators && !exchange.identity->is_administrator()) {
      audit_.write(AuditEvent::denied, turn.now.instant, [&] {
        return describe(exchange,
                        {{"operation", route.path}, {"reason", "neither of the roles admin and service_role"}});
      });
      return Error{ErrorCode::forbidden, "Forbidden resource"};
    }
  }
  switch (route.operation) {
    case Operation::health:
    case Operation::ready:
      answer_health(exchange, turn);
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
      return subscribe(exchange, request, turn);
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
    case Operation::disconnect:
      return disconnect(exchange, request, turn);
  }
  return std::nullopt;
}

std::optional<Error> RestRoutes::publish(Exchange& exchange, const HttpRequest& request, Turn turn) {
  if (auto refusal = options_.limiting.refuse_publish(exchange.identity->user_id, turn.now.instant)) return refusal;
  const auto body = read_body(request);
  if (!body) return body.error();
  auto message = exchange.route->operation == Operation::broadcast
                     ? read_broadcast(*body, turn.now.wall, options_.limiting.topics)
                     : read_publish(*body, std::nullopt, options_.limiting.topics);
  if (!message) return std::move(message.error());
  exchange.topic = message->topic.text();
  if (const auto decision = exchange.permissions->decide_publish(message->topic); !decision)
    return deny(exchange, "publish to", exchange.topic, decision, turn);
  ask_publish(exchange, *std::move(message), 0);
  return std::nullopt;
}

std::optional<Error> RestRoutes::publish_batch(Exchange& exchange, const HttpRequest& request, Turn turn) {
  const auto body = read_body(request);
  if (!body) return body.error();
  const auto members = check_members(*body, exchange.route->members);
  if (!members) return members.error();
  const std::vector<JsonView> items = (*members)[0]->elements();
  exchange.batch = BatchAnswer(items.size());
  for (std::size_t place = 0; place < items.size(); ++place) {
    if (const auto refusal = options_.limiting.refuse_publish(exchange.identity->user_id, turn.now.instant)) {
      exchange.batch.note(place, refusal, turn.now.wall);
      continue;
    }
    auto message = items[place].kind() == JsonKind::object
                       ? read_publish(items[place], std::nullopt, options_.limiting.topics)
                       : failure(validation_error("each message must be an object"));
    if (message)
      if (const auto decision = exchange.permissions->decide_publish(message->topic); !decision)
        message = failure(deny(exchange, "publish to", message->topic.text(), decision, turn));
    if (!message) {
      options_.limiting.note_refusal(message.error());
      exchange.batch.note(place, message.error(), turn.now.wall);
      continue;
    }
    exchange.batch.sent(place, message->topic.text());
    ask_publish(exchange, *std::move(message), place);
  }
  if (exchange.batch.complete()) answer(exchange, exchange.batch.json(), turn);
  return std::nullopt;
}

void RestRoutes::ask_publish(Exchange& exchange, gateway::OutgoingMessage message, std::size_t place) {
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("publish", {{"request", exchange.request_id},
                              {"user", exchange.identity->user_id},
                              {"topic", message.topic.text()},
                              {"qos", message.qos},
                              {"bytes", message.payload.size()}});
  wait(exchange, worker_.publish(std::move(message)), place);
}

std::optional<Error> RestRoutes::subscribe(Exchange& exchange, const HttpRequest& request, Turn turn) {
  const auto body = read_body(request);
  if (!body) return body.error();
  const auto members = check_members(*body, exchange.route->members);
  if (!members) return members.error();
  auto filter = read_filter(*(*members)[0]->as_string(), options_.limiting.topics);
  if (!filter) return std::move(filter.error());
  exchange.topic = filter->text();
  if (const auto decision = exchange.permissions->decide_subscribe(*filter); !decision)
    return deny(exchange, "subscribe to", exchange.topic, decision, turn);
  const auto qos = static_cast<std::uint8_t>((*members)[1] ? *(*members)[1]->as_integer() : 0);
  audit_.write(AuditEvent::subscribed, turn.now.instant, [&] {
    return describe(exchange, {{"topic", exchange.topic}, {"qos", qos}});
  });
  wait(exchange, worker_.subscribe_user(exchange.identity->user_id, *filter, qos));
  return std::nullopt;
}

std::optional<Error> RestRoutes::unsubscribe(Exchange& exchange, std::string_view encoded_topic) {
  const auto decoded = percent_decode(encoded_topic);
  if (!decoded) return validation_error("topic must be percent-encoded: % is followed by two hexadecimal digits");
  auto filter = read_filter(*decoded, options_.limiting.topics);
  if (!filter) return std::move(filter.error());
  exchange.topic = filter->text();
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("unsubscribe",
                  {{"request", exchange.request_id}, {"user", exchange.identity->user_id}, {"topic", exchange.topic}});
  wait(exchange, worker_.unsubscribe_user(exchange.identity->user_id, *filter));
  return std::nullopt;
}

std::optional<Error> RestRoutes::disconnect(Exchange& exchange, const HttpRequest& request, Turn turn) {
  const auto body = read_body(request);
  if (!body) return body.error();
  const auto members = check_members(*body, exchange.route->members);
  if (!members) return members.error();
  const auto text = [&](std::size_t place) {
    const std::optional<JsonView>& member = (*members)[place];
    return member ? *member->as_string() : std::string();
  };
  gateway::Whose whose{.user_id = text(0), .session_id = text(1)};
  if (whose.user_id.empty() == whose.session_id.empty())
    return validation_error("one of userId and sessionId must be given, and not be empty");
  audit_.write(AuditEvent::administrator, "disconnect by administrator", turn.now.instant, [&] {
    const bool by_user = whose.session_id.empty();
    return describe(exchange, {{by_user ? "whose_user" : "whose_session", by_user ? whose.user_id : whose.session_id}});
  });
  wait(exchange, worker_.end_sessions(std::move(whose)));
  return std::nullopt;
}

std::vector<LogField> RestRoutes::describe(const Exchange& exchange, std::vector<LogField> more) {
  std::vector<LogField> fields{{"request", exchange.request_id}};
  if (exchange.identity) fields.emplace_back("user", exchange.identity->user_id);
  fields.emplace_back("remote", exchange.remote_address);
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

Error RestRoutes::deny(const Exchange& exchange, std::string_view what, std::string_view topic,
                       const gateway::Decision& decision, Turn turn) {
  audit_.write(AuditEvent::denied, turn.now.instant, [&] {
    return describe(exchange, {{"operation", exchange.route->path},
                               {"topic", topic},
                               {"reason", to_text(decision, exchange.permissions->policy())}});
  });
  return Error{ErrorCode::forbidden, fmt::format("Not authorized to {} {}", what, topic)};
}

void RestRoutes::survey(Exchange& exchange, gateway::SurveyScope scope) {
  wait(exchange, worker_.survey(std::move(scope)));
}

void RestRoutes::wait(Exchange& exchange, gateway::RequestId request, std::size_t place) {
  ++exchange.awaited;
  awaited_.emplace(request, Awaited{last_exchange_, place});
}

void RestRoutes::on_abandoned(socketio::ConnectionId connection) {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return;
  exchanges_.at(found->second).connection.reset();
  by_connection_.erase(found);
}

}  // namespace famemely::api
