#include "protocol/engineio/payload.hpp"

#include "base/base64.hpp"
#include "base/utf8.hpp"

namespace famemely::engineio {

std::optional<std::variant<Packet, PayloadFault>> PayloadReader::next() {
  if (finished_) return std::nullopt;
  const std::size_t end = rest_.find(kSeparator);
  const std::string_view text = rest_.substr(0, end);
  if (end == std::string_view::npos) {
    finished_ = true;
  } else {
    rest_.remove_prefix(end + 1);
  }
  const auto packet = decode_text_packet(text, scratch_);
  // The text goes on to other clients, whose WebSockets would break at bad UTF-8.
  if (!packet || !is_utf8(text)) {
    finished_ = true;
    return PayloadFault{};
  }
  return *packet;
}

std::size_t payload_bytes(const websocket::OwnFrame& frame) {
  if (frame.opcode == websocket::Opcode::text) return frame.payload.size();
  return 1 + (frame.payload.size() + 2) / 3 * 4;
}

void append_packet(std::string& payload, const websocket::OwnFrame& frame) {
  if (frame.opcode == websocket::Opcode::text) {
    payload.append(frame.payload);
  } else {
    payload.push_back('b');
    base64_append(payload, frame.payload);
  }
}

}  // namespace famemely::engineio
