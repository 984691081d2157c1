#pragma once

#include <string>

#include "base/error.hpp"
#include "gateway/ports.hpp"
#include "gateway/worker.hpp"

/// The JSON objects that REST answers and Socket.IO events have in common.
namespace famemely::api {

/// `{"isConnected":…,"clientId":…,"connectedAt":…,"reconnectAttempts":…,"lastError":…}`; absent members are left out.
[[nodiscard]] std::string status_json(const gateway::LinkStatus& status, bool shutting_down = false);

/// `{"id":…,"topic":…,"qos":…,"userId":…,"createdAt":…,"isActive":true}`
[[nodiscard]] std::string subscription_json(const gateway::Subscription& subscription, const std::string& user_id);

/// `{"statusCode":n,"message":string|string[],"error":"Reason Phrase"}`, as NestJS answers.
[[nodiscard]] std::string http_error_json(const Error& error);

/// `{"success":true,…}` with the members of the object.
[[nodiscard]] std::string with_success(const std::string& object_json);

}  // namespace famemely::api
