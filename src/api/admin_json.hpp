#pragma once

#include <cstdint>
#include <string>

#include "base/instant.hpp"
#include "gateway/ports.hpp"
#include "protocol/socketio/traffic.hpp"

/// What the Admin UI is told, in its own shapes.
namespace famemely::api {

inline constexpr std::string_view kAdminNamespace = "/admin";

/// Larger lists of sockets are cut short.
inline constexpr std::size_t kAdminSnapshotBytesMax = 1'000'000;

/// This process among the servers that an Admin UI shows.
struct AdminServer {
  std::string id;
  std::string hostname;
  std::int64_t pid = 0;
  Instant started_at{};
};

/// `{"supportedFeatures":[…]}`: what the UI offers to its user.
[[nodiscard]] std::string admin_config_json();

/// `server_stats`; the aggregated events are what has happened between the two states of the traffic.
[[nodiscard]] std::string server_stats_json(const AdminServer& server, const gateway::Survey& survey,
                                            const socketio::Traffic& before, Now now);

/// `all_sockets`: in the order of their ids, so that nothing changes where nothing has changed.
[[nodiscard]] std::string all_sockets_json(std::vector<gateway::ListedSocket> sockets);

}  // namespace famemely::api
