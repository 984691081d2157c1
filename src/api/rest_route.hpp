#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "api/request_schema.hpp"

namespace famemely::api {

/// Who may call a route.
enum class Access { everybody, users, administrators };

enum class Operation {
  health,
  ready,
  status,
  publish,
  publish_batch,
  subscribe,
  unsubscribe,
  subscriptions,
  all_subscriptions,
  stats,
  broadcast,
  disconnect,
};

/// One route: what is known of it without a request. The table is the only description of the routes: requests are
/// dispatched and checked by it, and it describes them in the API document.
struct Route {
  std::string_view method;
  std::string_view path;  // ends in `/:topic` if the rest of the path is a topic
  Operation operation;
  Access access;
  std::span<const Member> members;  // of the body
  int success_status;
  std::string_view summary;

  [[nodiscard]] bool takes_topic() const { return path.ends_with("/:topic"); }
};

inline constexpr Route kRoutes[] = {
    {"GET", "/mqtt/health", Operation::health, Access::everybody, {}, 200, "Is the process alive?"},
    {"GET", "/mqtt/health/ready", Operation::ready, Access::everybody, {}, 200, "Is a broker connected?"},
    {"GET", "/mqtt/status", Operation::status, Access::users, {}, 200, "The connection to the broker"},
    {"POST", "/mqtt/publish", Operation::publish, Access::users, kPublishMembers, 200, "Publish a message"},
    {"POST", "/mqtt/publish/batch", Operation::publish_batch, Access::users, kBatchMembers, 200,
     "Publish up to 1000 messages, in order"},
    {"POST", "/mqtt/subscribe", Operation::subscribe, Access::users, kSubscribeMembers, 201,
     "Subscribe all sockets of the user"},
    {"DELETE",
     "/mqtt/unsubscribe/:topic",
     Operation::unsubscribe,
     Access::users,
     {},
     200,
     "End a subscription of the user"},
    {"GET",
     "/mqtt/subscriptions",
     Operation::subscriptions,
     Access::users,
     {},
     200,
     "The user's subscriptions, and those of the user's sockets"},
    {"GET",
     "/mqtt/subscriptions/all",
     Operation::all_subscriptions,
     Access::administrators,
     {},
     200,
     "Everybody's subscriptions"},
    {"GET", "/mqtt/stats", Operation::stats, Access::users, {}, 200, "Counters of the gateway"},
    {"POST", "/mqtt/broadcast", Operation::broadcast, Access::users, kBroadcastMembers, 200,
     "Publish an announcement at QoS 1"},
    {"POST", "/mqtt/admin/disconnect", Operation::disconnect, Access::administrators, kDisconnectMembers, 200,
     "Disconnect a user, or one sign-in of a user"},
};

struct RouteMatch {
  const Route* route;
  std::string_view topic;  // still percent-encoded; empty unless the route takes one
};

/// The route of a request, if there is one. HEAD goes where GET does; a last slash does not count, unless it belongs to
/// a topic.
[[nodiscard]] std::optional<RouteMatch> find_route(std::string_view method, std::string_view path);

}  // namespace famemely::api
