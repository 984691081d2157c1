#include "protocol/mqtt/broker_side.hpp"

namespace famemely::mqtt {
namespace {

Error refused(std::string message) { return {ErrorCode::broker_refused, std::move(message)}; }

/// The property itself.
constexpr std::size_t kTopicAliasBytes = 3;

}  // namespace

std::optional<Error> BrokerSide::refusal_of_size(std::size_t packet_bytes) const {
  if (packet_bytes <= capabilities.maximum_packet_size) return std::nullopt;
  return Error{ErrorCode::payload_too_large, "message is larger than the broker takes (" +
                                                 std::to_string(packet_bytes) + " of " +
                                                 std::to_string(capabilities.maximum_packet_size) + " bytes)"};
}

std::optional<Error> BrokerSide::refusal(const PublishFields& publish) const {
  if (publish.qos > capabilities.maximum_qos)
    return refused("broker does not support QoS " + std::to_string(publish.qos));
  if (publish.retain && !capabilities.retain) return refused("broker does not support retained messages");
  const bool any_properties = publish.properties && !publish.properties->empty();
  if (version == ProtocolVersion::v3_1_1 && any_properties)
    return Error{ErrorCode::bad_request, "properties need MQTT 5, and the broker speaks 3.1.1"};
  return refusal_of_size(encoded_size(publish, version));
}

std::optional<Error> BrokerSide::refusal(const SubscribeEntry& entry) const {
  if (entry.filter.has_wildcard() && !capabilities.wildcard_subscriptions)
    return refused("broker does not support wildcard subscriptions");
  const bool options = entry.no_local || entry.retain_as_published || entry.retain_handling != RetainHandling::send;
  if (options && version == ProtocolVersion::v3_1_1)
    return Error{ErrorCode::bad_request, "subscription options need MQTT 5, and the broker speaks 3.1.1"};
  return std::nullopt;
}

void BrokerSide::write(PublishFields publish, std::string& out) {
  const bool room = encoded_size(publish, version) + kTopicAliasBytes + 1 <= capabilities.maximum_packet_size;
  if (room) {
    const auto [alias, known] = aliases.use(publish.topic);
    publish.topic_alias = alias;
    if (known) publish.topic = {};
  }
  encode_publish(publish, version, out);
}

}  // namespace famemely::mqtt
