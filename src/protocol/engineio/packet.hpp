#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace famemely::engineio {

/// Engine.IO protocol 4, section "Protocol": the digit that begins a text packet.
enum class PacketType : std::uint8_t { open, close, ping, pong, message, upgrade, noop };

/// One packet. Binary ones are messages.
struct Packet {
  PacketType type;
  bool binary;
  std::string_view data;  // without the type digit
};

/// Reads a text packet as it stands in a WebSocket message or between the separators of a polling payload; `b` and
/// base64 is a binary message, decoded into `scratch`, of which `data` is then a view. Nothing if it is no packet.
[[nodiscard]] std::optional<Packet> decode_text_packet(std::string_view text, std::string& scratch);

}  // namespace famemely::engineio
