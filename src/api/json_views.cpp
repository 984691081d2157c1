#include "api/json_views.hpp"

#include <fmt/format.h>

#include "base/json_text.hpp"

namespace famemely::api {

std::string status_json(const gateway::LinkStatus& status, bool shutting_down) {
  std::string json =
      fmt::format("{{\"isConnected\":{},\"clientId\":{}", status.is_connected, json_string(status.client_id));
  if (status.connected_at) json += fmt::format(",\"connectedAt\":\"{}\"", to_iso8601(*status.connected_at));
  json += fmt::format(",\"reconnectAttempts\":{}", status.reconnect_attempts);
  if (!status.last_error.empty()) json += ",\"lastError\":" + json_string(status.last_error);
  if (shutting_down) json += ",\"shuttingDown\":true";
  return json + "}";
}

std::string subscription_json(const gateway::Subscription& subscription, const std::string& user_id) {
  return fmt::format("{{\"id\":{},\"topic\":{},\"qos\":{},\"userId\":{},\"createdAt\":\"{}\",\"isActive\":true}}",
                     json_string(subscription.id), json_string(subscription.filter.text()), subscription.qos,
                     json_string(user_id), to_iso8601(subscription.created_at));
}

std::string http_error_json(const Error& error) {
  std::string message;
  if (error.details.empty()) {
    message = json_string(error.message);
  } else {
    for (const std::string& detail : error.details) message += (message.empty() ? "[" : ",") + json_string(detail);
    message += "]";
  }
  return fmt::format("{{\"statusCode\":{},\"message\":{},\"error\":{}}}", error.status(), message,
                     json_string(error.reason()));
}

std::string with_success(const std::string& object_json) {
  if (object_json == "{}") return "{\"success\":true}";
  return "{\"success\":true," + object_json.substr(1);
}

}  // namespace famemely::api
