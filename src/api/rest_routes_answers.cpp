/// The part of the routes that answers: what the worker's outcomes say, in the shapes and words of the contract.

#include <fmt/format.h>

#include <chrono>

#include "api/json_views.hpp"
#include "api/rest_routes.hpp"
#include "base/http_error.hpp"

namespace famemely::api {
namespace {

HttpResponse json_response(int status, std::string body) {
  HttpResponse response{.status = status, .fields = {}, .body = std::move(body)};
  response.fields.add("Content-Type", "application/json; charset=utf-8");
  return response;
}

}  // namespace

bool RestRoutes::on_outcome(const gateway::Outcome& outcome, Now now, socketio::Effects& effects) {
  const auto found = awaited_.find(gateway::request_of(outcome));
  if (found == awaited_.end()) return false;
  const Awaited awaited = found->second;
  awaited_.erase(found);
  Exchange& exchange = exchanges_.at(awaited.exchange);
  const Turn turn{now, effects};
  if (const auto* published = std::get_if<gateway::PublishOutcome>(&outcome)) {
    on_published(exchange, awaited.place, published->error, turn);
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
    answer_survey(exchange, *survey->survey, turn);
  } else if (const auto* ended = std::get_if<gateway::SessionsEndedOutcome>(&outcome)) {
    answer(exchange, fmt::format("{{\"success\":true,\"disconnected\":{}}}", ended->sockets), turn);
  }
  if (--exchange.awaited > 0) return true;
  if (exchange.connection) by_connection_.erase(*exchange.connection);
  exchanges_.erase(awaited.exchange);
  return true;
}

void RestRoutes::on_published(Exchange& exchange, std::size_t place, const std::optional<Error>& error, Turn turn) {
  if (exchange.route->operation == Operation::publish_batch) {
    exchange.batch.note(place, error, turn.now.wall);
    if (exchange.batch.complete()) answer(exchange, exchange.batch.json(), turn);
  } else if (error) {
    refuse(exchange, *error, turn);
  } else {
    answer(exchange, with_success(published_json(exchange.topic, turn.now.wall)), turn);
  }
}

void RestRoutes::answer_survey(const Exchange& exchange, const gateway::Survey& survey, Turn turn) {
  if (exchange.route->operation != Operation::stats)
    return answer(exchange, subscriptions_json(survey.subscriptions), turn);
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(turn.now.instant - options_.started_at);
  answer(exchange,
         stats_json(worker_.link_status(), survey, uptime, sign_ins_.key_figures(), options_.limiting.counters), turn);
}

/// The process is alive while it answers at all; whether it is of use depends on the broker.
void RestRoutes::answer_health(const Exchange& exchange, Turn turn) {
  const bool connected = worker_.link_status().is_connected;
  const bool fails = exchange.route->operation == Operation::ready && !connected;
  HttpResponse response =
      json_response(fails ? 503 : 200, health_json(worker_.link_status(), options_.version, turn.now.wall));
  response.fields.add("Cache-Control", "no-store");
  answer(exchange, std::move(response), turn);
}

void RestRoutes::answer(const Exchange& exchange, std::string body, Turn turn) {
  answer(exchange, json_response(exchange.route->success_status, std::move(body)), turn);
}

void RestRoutes::refuse(const Exchange& exchange, const Error& error, Turn turn) {
  options_.limiting.note_refusal(error);
  HttpResponse response = http_error(error);
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
  using std::chrono::milliseconds;
  if (logger_.enabled(LogLevel::debug))
    logger_.debug("request",
                  {{"request", exchange.request_id},
                   {"method", exchange.method},
                   {"path", exchange.path},
                   {"status", response.status},
                   {"user", exchange.identity ? std::string_view(exchange.identity->user_id) : std::string_view()},
                   {"ms", std::chrono::duration_cast<milliseconds>(turn.now.instant - exchange.begun).count()}});
  if (!exchange.connection) return;
  response.fields.add("X-Request-Id", exchange.request_id);
  if (options_.compressed_bytes_min)
    encode_content(response, accepts_gzip(exchange.accept_encoding), *options_.compressed_bytes_min, gzip_);
  turn.effects.for_io.emplace_back(socketio::Respond{*exchange.connection, std::move(response)});
}

}  // namespace famemely::api
