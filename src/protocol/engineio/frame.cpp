#include "protocol/engineio/frame.hpp"

namespace famemely::engineio {
namespace {

Frame make_frame(websocket::Opcode opcode, std::string_view payload) {
  std::string bytes;
  bytes.reserve(payload.size() + websocket::kFrameHeadBytesMax);
  websocket::append_message(bytes, opcode, payload);
  return Frame(SharedBytes(bytes));
}

}  // namespace

Frame make_text_frame(std::string_view packet) { return make_frame(websocket::Opcode::text, packet); }

Frame make_binary_frame(std::string_view data) { return make_frame(websocket::Opcode::binary, data); }

}  // namespace famemely::engineio
