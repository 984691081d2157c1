#include "protocol/engineio/packet.hpp"

#include <utility>

#include "base/base64.hpp"

namespace famemely::engineio {

std::optional<Packet> decode_text_packet(std::string_view text, std::string& scratch) {
  if (text.empty()) return std::nullopt;
  const char type = text.front();
  text.remove_prefix(1);
  if (type == 'b') {
    auto bytes = base64_decode(text);
    if (!bytes) return std::nullopt;
    scratch = std::move(*bytes);
    return Packet{PacketType::message, true, scratch};
  }
  if (type < '0' || type > '6') return std::nullopt;
  return Packet{static_cast<PacketType>(type - '0'), false, text};
}

}  // namespace famemely::engineio
