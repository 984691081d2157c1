#include "api/json_views.hpp"

#include <fmt/format.h>

#include "base/json_text.hpp"

namespace famemely::api {
namespace {

std::string subscription_members(std::string_view id, std::string_view topic, std::uint8_t qos,
                                 std::string_view user_id, WallTime created_at, bool is_active = true) {
  return fmt::format("\"id\":{},\"topic\":{},\"qos\":{},\"userId\":{},\"createdAt\":\"{}\",\"isActive\":{}",
                     json_string(id), json_string(topic), qos, json_string(user_id), to_iso8601(created_at), is_active);
}

/// What the status and the statistics have in common.
std::string connection_members(const gateway::LinkStatus& status) {
  std::string json =
      fmt::format("\"isConnected\":{},\"clientId\":{}", status.is_connected, json_string(status.client_id));
  if (status.connected_at) json += fmt::format(",\"connectedAt\":\"{}\"", to_iso8601(*status.connected_at));
  json += fmt::format(",\"reconnectAttempts\":{}", status.reconnect_attempts);
  if (!status.last_error.empty()) json += ",\"lastError\":" + json_string(status.last_error);
  return json;
}

}  // namespace

std::string status_json(const gateway::LinkStatus& status, bool shutting_down) {
  return "{" + connection_members(status) + (shutting_down ? ",\"shuttingDown\":true}" : "}");
}

std::string health_json(const gateway::LinkStatus& status, std::string_view version, WallTime now) {
  return fmt::format(R"({{"status":"{}","service":"mqtt","timestamp":"{}","version":{},"broker":"{}"}})",
                     status.is_connected ? "ok" : "degraded", to_iso8601(now), json_string(version),
                     status.is_connected ? "connected" : "disconnected");
}

std::string subscription_json(const gateway::Subscription& subscription, const std::string& user_id) {
  return "{" +
         subscription_members(subscription.id, subscription.filter.text(), subscription.qos, user_id,
                              subscription.created_at) +
         "}";
}

std::string subscription_json(const gateway::UserSubscription& subscription) {
  return "{" +
         subscription_members(subscription.id, subscription.filter.text(), subscription.qos, subscription.user_id,
                              subscription.created_at) +
         "}";
}

std::string subscription_json(const gateway::ListedSubscription& subscription) {
  const bool rest = subscription.source == gateway::ListedSubscription::Source::rest;
  return "{" +
         subscription_members(subscription.id, subscription.topic, subscription.qos, subscription.user_id,
                              subscription.created_at, subscription.is_active) +
         (rest ? ",\"source\":\"rest\"}" : ",\"source\":\"socket\"}");
}

std::string subscription_list_json(const std::vector<gateway::ListedSubscription>& subscriptions) {
  std::string json = "[";
  for (const gateway::ListedSubscription& subscription : subscriptions) {
    if (json.size() > 1) json += ',';
    json += subscription_json(subscription);
  }
  return json + "]";
}

std::string subscriptions_json(const std::vector<gateway::ListedSubscription>& subscriptions) {
  return fmt::format("{{\"total\":{},\"subscriptions\":{}}}", subscriptions.size(),
                     subscription_list_json(subscriptions));
}

std::string stats_json(const gateway::LinkStatus& status, const gateway::Survey& survey, std::chrono::seconds uptime,
                       const gateway::KeyFigures& keys, const LimitCounters* limits) {
  return "{" + connection_members(status) +
         fmt::format(
             ",\"totalSubscriptions\":{},\"activeSubscriptions\":{},\"connectedClients\":{},"
             "\"messagesIn\":{},\"messagesOut\":{},\"messagesDropped\":{},\"publishes\":{},"
             "\"uptimeSeconds\":{},\"keys\":{}",
             survey.subscription_count, survey.active_subscription_count, survey.connected_clients, survey.messages_in,
             survey.messages_out, survey.messages_dropped, survey.publishes, uptime.count(), keys_json(keys)) +
         (limits ? ",\"limits\":" + limits_json(*limits) : "") + "}";
}

std::string keys_json(const gateway::KeyFigures& figures) {
  std::string json = fmt::format("{{\"verified\":{},\"remembered\":{},\"refused\":{},\"unknownKeys\":{}",
                                 figures.verified, figures.remembered, figures.refused, figures.unknown_keys);
  if (const auto& jwks = figures.jwks) {
    json += fmt::format(",\"jwks\":{{\"keys\":{},\"fetches\":{},\"failures\":{}", jwks->keys->size(), jwks->fetches,
                        jwks->failures);
    if (jwks->fetched_at) json += ",\"fetchedAt\":\"" + to_iso8601(*jwks->fetched_at) + '"';
    json += '}';
  }
  if (figures.api_keys) json += fmt::format(",\"apiKeys\":{}", *figures.api_keys);
  return json + "}";
}

std::string limits_json(const LimitCounters& counters) {
  std::string json = "{";
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    const auto limit = static_cast<Limit>(i);
    fmt::format_to(std::back_inserter(json), "{}\"{}\":{}", i == 0 ? "" : ",", name_of(limit), counters.of(limit));
  }
  return json + "}";
}

std::string published_json(std::string_view topic, WallTime now) {
  return fmt::format("{{\"topic\":{},\"timestamp\":\"{}\"}}", json_string(topic), to_iso8601(now));
}

std::string with_success(const std::string& object_json) {
  if (object_json == "{}") return "{\"success\":true}";
  return "{\"success\":true," + object_json.substr(1);
}

}  // namespace famemely::api
