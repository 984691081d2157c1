#include "gateway/raw_message.hpp"

#include <string>
#include <variant>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/encoder.hpp"

namespace famemely::gateway {

MessageEvent make_raw_message(const mqtt::MessageReceived& message, bool retain, std::string_view, std::string_view) {
  const mqtt::PublishProperties properties = message.properties.copy();
  std::string packet;
  mqtt::encode_publish({.topic = message.topic,
                        .payload = message.payload,
                        .qos = message.qos,
                        .retain = retain,
                        .packet_id = static_cast<std::uint16_t>(message.qos > 0 ? 1 : 0),  // any: it must not be 0
                        .properties = &properties},
                       mqtt::ProtocolVersion::v5, packet);
  return {socketio::Frame(SharedBytes(packet)), 0};
}

std::optional<RawMessage> read_raw_message(const socketio::Frame& frame) {
  const mqtt::DecodeOutcome outcome = mqtt::decode(frame.websocket_bytes(), mqtt::ProtocolVersion::v5);
  const auto* decoded = std::get_if<mqtt::Decoded>(&outcome);
  const auto* publish = decoded ? std::get_if<mqtt::Publish>(&decoded->packet) : nullptr;
  if (!publish) return std::nullopt;
  return RawMessage{publish->topic, publish->payload, publish->qos, publish->retain, publish->properties};
}

}  // namespace famemely::gateway
