#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/message_event.hpp"
#include "protocol/mqtt/properties.hpp"

/// The form of messages for programs that want what the broker sent, and no Socket.IO event: a PUBLISH packet of
/// MQTT 5.
namespace famemely::gateway {

/// To be the `encode_message` of a bridge. The frame then holds the packet, no WebSocket frame.
[[nodiscard]] MessageEvent make_raw_message(const mqtt::MessageReceived& message, bool retain,
                                            std::string_view timestamp, std::string_view offset);

/// Views of the frame's bytes.
struct RawMessage {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos;
  bool retain;
  mqtt::PublishPropertiesView properties;
};
/// Nothing if the frame was not made by `make_raw_message`.
[[nodiscard]] std::optional<RawMessage> read_raw_message(const socketio::Frame& frame);

}  // namespace famemely::gateway
