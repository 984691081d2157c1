#include "protocol/socketio/encoder.hpp"

#include "base/json_text.hpp"
#include "protocol/socketio/packet.hpp"
#include "protocol/socketio/placeholder.hpp"

namespace famemely::socketio {
namespace {

/// The digit of an Engine.IO message.
constexpr char kMessage = '4';

std::string packet_text(PacketType type, std::size_t attachments, std::string_view nsp,
                        std::optional<std::uint64_t> ack_id, std::size_t more_bytes) {
  std::string text;
  text.reserve(32 + nsp.size() + more_bytes);
  text.push_back(kMessage);
  text.push_back(static_cast<char>('0' + static_cast<int>(type)));
  if (attachments > 0) {
    text += std::to_string(attachments);
    text.push_back('-');
  }
  if (nsp != "/") {
    text += nsp;
    text.push_back(',');
  }
  if (ack_id) text += std::to_string(*ack_id);
  return text;
}

}  // namespace

Frame make_event_frame(std::string_view nsp, std::string_view name, std::string_view args_json,
                       std::span<const std::string_view> attachments, std::optional<std::uint32_t> ack_id) {
  std::string text = packet_text(attachments.empty() ? PacketType::event : PacketType::binary_event, attachments.size(),
                                 nsp, ack_id, name.size() + args_json.size());
  text.push_back('[');
  append_json_string(text, name);
  if (!args_json.empty()) {
    text.push_back(',');
    text += args_json;
  }
  text.push_back(']');
  return engineio::make_frame(text, attachments);
}

Frame make_ack_frame(std::string_view nsp, std::uint64_t ack_id, std::string_view args_json,
                     std::span<const std::string_view> attachments) {
  std::string text = packet_text(attachments.empty() ? PacketType::ack : PacketType::binary_ack, attachments.size(),
                                 nsp, ack_id, args_json.size());
  text.push_back('[');
  text += args_json;
  text.push_back(']');
  return engineio::make_frame(text, attachments);
}

Frame make_connect_frame(std::string_view nsp, std::string_view sid, std::string_view pid) {
  std::string text = packet_text(PacketType::connect, 0, nsp, std::nullopt, sid.size() + pid.size());
  text += "{\"sid\":";
  append_json_string(text, sid);
  if (!pid.empty()) {
    text += ",\"pid\":";
    append_json_string(text, pid);
  }
  text.push_back('}');
  return engineio::make_frame(text, {});
}

Frame make_connect_error_frame(std::string_view nsp, std::string_view message, std::string_view data_json) {
  std::string text = packet_text(PacketType::connect_error, 0, nsp, std::nullopt, message.size() + data_json.size());
  text += "{\"message\":";
  append_json_string(text, message);
  if (!data_json.empty()) {
    text += ",\"data\":";
    text += data_json;
  }
  text.push_back('}');
  return engineio::make_frame(text, {});
}

Frame make_disconnect_frame(std::string_view nsp) {
  return engineio::make_frame(packet_text(PacketType::disconnect, 0, nsp, std::nullopt, 0), {});
}

void append_offset(std::string& args_json, std::string_view offset) {
  args_json += args_json.empty() ? "\"" : ",\"";
  args_json += offset;
  args_json += '"';
}

Frame without_offset(const Frame& frame) {
  // The offset is the last argument, and there is neither a comma nor a quote in it.
  const websocket::OwnFrame header = websocket::first_own_frame(frame.websocket_bytes());
  std::string text(header.payload.substr(0, header.payload.rfind(",\"")));
  text += ']';
  std::string bytes;
  websocket::append_message(bytes, header.opcode, text);
  bytes += frame.websocket_bytes().substr(header.frame_bytes);
  return Frame(SharedBytes(bytes));
}

void append_placeholder(std::string& out, std::size_t attachment) {
  out += "{\"_placeholder\":true,\"num\":" + std::to_string(attachment) + "}";
}

bool looks_like_placeholder(std::string_view json) { return !placeholders_in(json).empty(); }

}  // namespace famemely::socketio
