#include "api/broadcast_request.hpp"

#include <string>

#include "api/request_schema.hpp"
#include "api/topic_reading.hpp"

namespace famemely::api {

Result<gateway::OutgoingMessage, Error> read_broadcast(const JsonView& object, WallTime now,
                                                       const mqtt::TopicLimits& limits) {
  const auto members = check_members(object, kBroadcastMembers);
  if (!members) return failure(members.error());
  auto topic = read_topic(*(*members)[0]->as_string(), limits);
  if (!topic) return failure(std::move(topic.error()));
  const JsonView& message = *(*members)[1];
  const bool with_timestamp = !(*members)[2] || *(*members)[2]->as_boolean();

  std::string payload(message.raw().substr(0, message.raw().rfind('}')));
  bool first = message.members().empty();
  const auto add = [&](std::string_view name, const std::string& value) {
    if (message.find(name)) return;
    if (!std::exchange(first, false)) payload += ',';
    payload.append("\"").append(name).append("\":").append(value);
  };
  add("broadcast", "true");
  if (with_timestamp) add("timestamp", json_string(to_iso8601(now)));
  payload += '}';
  return gateway::OutgoingMessage{
      .topic = *std::move(topic), .payload = std::move(payload), .qos = 1, .properties = {}};
}

}  // namespace famemely::api
