#include "api/admin_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/json_text.hpp"
#include "gateway/message_event.hpp"

namespace famemely::api {
namespace {

std::string list_json(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json += ',';
    append_json_string(json, text);
  }
  return json + "]";
}

/// The UI reads `issued` to say since when, and shows `data`, `headers` and `rooms` as they are.
std::string socket_json(const gateway::ListedSocket& socket) {
  // The UI groups sockets by their connection. Ours have one each, whose own id is a secret.
  const std::string_view client_id = std::string_view(socket.sid).substr(0, 12);
  std::vector<std::string> rooms{socket.sid};
  rooms.insert(rooms.end(), socket.filters.begin(), socket.filters.end());
  return fmt::format(
      R"({{"id":{0},"clientId":{1},"transport":"{2}","nsp":"{3}","data":{{"user":{4},"roles":{5}}},)"
      R"("handshake":{{"address":{6},"headers":{{{7}}},"query":{{}},"issued":{8},"secure":false,"time":"{9}",)"
      R"("url":"/socket.io/","xdomain":{10}}},"rooms":{11}}})",
      json_string(socket.sid), json_string(client_id), socketio::to_string(socket.transport), gateway::kNamespace,
      json_string(socket.user_id), list_json(socket.roles), json_string(socket.remote_address),
      socket.origin.empty() ? "" : "\"origin\":" + json_string(socket.origin),
      socket.joined_at.time_since_epoch().count(), to_iso8601(socket.joined_at), !socket.origin.empty(),
      list_json(rooms));
}

std::string aggregated_events_json(const socketio::Traffic& before, const socketio::Traffic& after, WallTime now) {
  const std::pair<std::string_view, std::uint64_t> counts[] = {
      {"rawConnection", after.connections_opened - before.connections_opened},
      {"rawDisconnection", after.connections_closed - before.connections_closed},
      {"packetsIn", after.packets_in - before.packets_in},
      {"bytesIn", after.bytes_in - before.bytes_in},
      {"packetsOut", after.packets_out - before.packets_out},
      {"bytesOut", after.bytes_out - before.bytes_out}};
  const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count() * 1000;
  std::string json = "[";
  for (const auto& [type, count] : counts) {
    if (count == 0) continue;
    if (json.size() > 1) json += ',';
    json += fmt::format(R"({{"timestamp":{},"type":"{}","count":{}}})", second, type, count);
  }
  return json + "]";
}

}  // namespace

std::string admin_config_json() {
  // The lists of sockets, rooms and clients are shown to servers with ALL_EVENTS only; AGGREGATED_EVENTS makes the UI
  // take its numbers from the statistics. MDISCONNECT, EMIT, JOIN and LEAVE are not ours.
  return R"({"supportedFeatures":["DISCONNECT","AGGREGATED_EVENTS","ALL_EVENTS"]})";
}

std::string server_stats_json(const AdminServer& server, const gateway::Survey& survey, const socketio::Traffic& before,
                              Now now) {
  const std::chrono::duration<double> uptime = now.instant - server.started_at;
  return fmt::format(
      R"({{"serverId":{},"hostname":{},"pid":{},"uptime":{:.3f},"clientsCount":{},"pollingClientsCount":{},)"
      R"("aggregatedEvents":{},"namespaces":[{{"name":"{}","socketsCount":{}}},{{"name":"{}","socketsCount":{}}}]}})",
      json_string(server.id), json_string(server.hostname), server.pid, uptime.count(), survey.connections,
      survey.polling_connections, aggregated_events_json(before, survey.traffic, now.wall), gateway::kNamespace,
      survey.connected_clients, kAdminNamespace, survey.administrators);
}

std::string all_sockets_json(std::vector<gateway::ListedSocket> sockets) {
  std::ranges::sort(sockets, {}, &gateway::ListedSocket::sid);
  if (sockets.size() > gateway::kListedSocketsMax)
    sockets.erase(sockets.begin() + gateway::kListedSocketsMax, sockets.end());
  std::string json = "[";
  for (const gateway::ListedSocket& socket : sockets) {
    const std::string one = socket_json(socket);
    if (json.size() + one.size() > kAdminSnapshotBytesMax) break;
    if (json.size() > 1) json += ',';
    json += one;
  }
  return json + "]";
}

}  // namespace famemely::api
