#include "protocol/engineio/frame.hpp"

namespace famemely::engineio {

Frame make_text_frame(std::string_view packet) { return make_frame(packet, {}); }

Frame make_binary_frame(std::string_view data) {
  std::string bytes;
  bytes.reserve(data.size() + websocket::kFrameHeadBytesMax);
  websocket::append_message(bytes, websocket::Opcode::binary, data);
  return Frame(SharedBytes(bytes));
}

Frame make_frame(std::string_view packet, std::span<const std::string_view> attachments) {
  std::size_t size = packet.size() + websocket::kFrameHeadBytesMax;
  for (std::string_view attachment : attachments) size += attachment.size() + websocket::kFrameHeadBytesMax;
  std::string bytes;
  bytes.reserve(size);
  websocket::append_message(bytes, websocket::Opcode::text, packet);
  for (std::string_view attachment : attachments)
    websocket::append_message(bytes, websocket::Opcode::binary, attachment);
  return Frame(SharedBytes(bytes));
}

}  // namespace famemely::engineio
