#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/ports.hpp"
#include "gateway/worker.hpp"

/// The JSON objects that REST answers and Socket.IO events have in common.
namespace famemely::api {

/// `{"isConnected":…,"clientId":…,"connectedAt":…,"reconnectAttempts":…,"lastError":…}`; absent members are left out.
[[nodiscard]] std::string status_json(const gateway::LinkStatus& status, bool shutting_down = false);

/// `GET /mqtt/health`.
[[nodiscard]] std::string health_json(const gateway::LinkStatus& status, std::string_view version, WallTime now);

/// `{"id":…,"topic":…,"qos":…,"userId":…,"createdAt":…,"isActive":true}`: a socket's subscription, and a user's.
[[nodiscard]] std::string subscription_json(const gateway::Subscription& subscription, const std::string& user_id);
[[nodiscard]] std::string subscription_json(const gateway::UserSubscription& subscription);
/// The same with `"source":"rest"|"socket"`.
[[nodiscard]] std::string subscription_json(const gateway::ListedSubscription& subscription);

/// `[…]`
[[nodiscard]] std::string subscription_list_json(const std::vector<gateway::ListedSubscription>& subscriptions);
/// `{"total":n,"subscriptions":[…]}`
[[nodiscard]] std::string subscriptions_json(const std::vector<gateway::ListedSubscription>& subscriptions);

/// How often each limit has been reached.
[[nodiscard]] std::string limits_json(const LimitCounters& counters);

/// `{"verified":…,"remembered":…,"refused":…,"unknownKeys":…,"jwks":{"keys":…,"fetches":…,"failures":…,"fetchedAt":…},
/// "apiKeys":…}`; what is not configured is left out.
[[nodiscard]] std::string keys_json(const gateway::KeyFigures& figures);

/// `GET /mqtt/stats`.
[[nodiscard]] std::string stats_json(const gateway::LinkStatus& status, const gateway::Survey& survey,
                                     std::chrono::seconds uptime, const gateway::KeyFigures& keys,
                                     const LimitCounters* limits = nullptr);

/// `{"topic":…,"timestamp":…}`: what answers a publish.
[[nodiscard]] std::string published_json(std::string_view topic, WallTime now);

/// `{"success":true,…}` with the members of the object.
[[nodiscard]] std::string with_success(const std::string& object_json);

}  // namespace famemely::api
