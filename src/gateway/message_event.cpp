#include "gateway/message_event.hpp"

#include <span>
#include <string>

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "gateway/message_properties.hpp"

namespace famemely::gateway {
namespace {

/// A content type without its parameters: `text/plain; charset=utf-8` is `text/plain`.
bool is_type(std::string_view content_type, std::string_view name) {
  return content_type.starts_with(name) &&
         (content_type.size() == name.size() || content_type[name.size()] == ';' || content_type[name.size()] == ' ');
}

}  // namespace

PayloadKind classify_payload(std::string_view payload, std::string_view content_type) {
  if (is_type(content_type, "application/octet-stream")) return PayloadKind::binary;
  if (!is_utf8(payload)) return PayloadKind::binary;
  if (payload.empty() || is_type(content_type, "text/plain")) return PayloadKind::text;
  return check_json(payload) ? PayloadKind::text : PayloadKind::json;
}

MessageEvent make_message_event(const IncomingMessage& message) {
  std::string args;
  args.reserve(message.topic.size() + message.payload.size() + message.properties_json.size() + 128);
  args += "{\"topic\":";
  append_json_string(args, message.topic);
  args += ",\"payload\":";
  std::span<const std::string_view> attachments;
  switch (classify_payload(message.payload, message.content_type)) {
    case PayloadKind::json:
      args += message.payload;
      break;
    case PayloadKind::text:
      append_json_string(args, message.payload);
      break;
    case PayloadKind::binary:
      socketio::append_placeholder(args, 0);
      attachments = {&message.payload, 1};
      break;
  }
  args += ",\"qos\":";
  const std::size_t digit = args.size();
  args += static_cast<char>('0' + message.qos);
  args += message.retain ? ",\"retain\":true,\"timestamp\":\"" : ",\"retain\":false,\"timestamp\":\"";
  args += message.timestamp;
  args += '"';
  if (!message.properties_json.empty()) args.append(",\"properties\":").append(message.properties_json);
  args += '}';
  if (!message.offset.empty()) socketio::append_offset(args, message.offset);

  MessageEvent event{socketio::make_event_frame(kNamespace, "mqtt:message", args, attachments), 0};
  // The arguments stand unchanged in the frame, close to its beginning.
  event.qos_place = static_cast<std::uint32_t>(event.frame.websocket_bytes().find(args) + digit);
  return event;
}

MessageEvent make_message_event(const mqtt::MessageReceived& message, bool retain, std::string_view timestamp,
                                std::string_view offset) {
  const std::string properties = message.properties.empty() ? std::string() : properties_json(message.properties);
  return make_message_event({.topic = message.topic,
                             .payload = message.payload,
                             .qos = message.qos,
                             .retain = retain,
                             .timestamp = timestamp,
                             .content_type = message.properties.content_type.value_or(std::string_view()),
                             .properties_json = properties,
                             .offset = offset});
}

}  // namespace famemely::gateway
