#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/mqtt/session_effects.hpp"
#include "protocol/socketio/encoder.hpp"

namespace famemely::gateway {

/// The namespace that clients join.
inline constexpr std::string_view kNamespace = "/mqtt";

/// What a payload is to a client.
enum class PayloadKind { json, text, binary };

/// JSON if it is JSON text, a string if it is UTF-8, else binary; an empty payload is a string. A content type that the
/// message declares (MQTT 5) decides instead: `text/plain` and `application/octet-stream`.
[[nodiscard]] PayloadKind classify_payload(std::string_view payload, std::string_view content_type);

/// A message from the broker, as it goes to clients.
struct IncomingMessage {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos;
  bool retain;
  std::string_view timestamp;          // ISO 8601
  std::string_view content_type{};     // empty: not declared
  std::string_view properties_json{};  // an object; empty: the message has none
  std::string_view offset{};           // by which a client recovers; empty: it can't
};

/// The event `mqtt:message`, encoded once for all who get it.
struct MessageEvent {
  socketio::Frame frame;
  /// Where in the frame's bytes the digit of `qos` stands: a receiver at a lower quality of service gets a copy with
  /// another digit there.
  std::uint32_t qos_place;
};
[[nodiscard]] MessageEvent make_message_event(const IncomingMessage& message);
/// The same for what the MQTT session tells, its properties included.
[[nodiscard]] MessageEvent make_message_event(const mqtt::MessageReceived& message, bool retain,
                                              std::string_view timestamp, std::string_view offset);

/// Makes the form in which the workers get a message.
using MessageEncoder = MessageEvent (*)(const mqtt::MessageReceived& message, bool retain, std::string_view timestamp,
                                        std::string_view offset);

}  // namespace famemely::gateway
