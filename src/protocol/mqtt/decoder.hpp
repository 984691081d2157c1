#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "protocol/mqtt/packet.hpp"

namespace famemely::mqtt {

/// The bytes hold no whole packet.
struct NeedMore {
  /// The size of the packet, where its head is complete, else 0.
  std::size_t packet_bytes = 0;
};

/// The broker broke the protocol: say why in a DISCONNECT (version 5) and close.
struct DecodeFault {
  ReasonCode code;
  const char* what;  // `QoS 3 in PUBLISH`
};

struct Decoded {
  ReceivedPacket packet;
  std::size_t bytes;  // how much of the input it took
};

using DecodeOutcome = std::variant<Decoded, NeedMore, DecodeFault>;

/// A packet's first byte and Remaining Length (section 2.1).
struct PacketHead {
  std::uint8_t first_byte = 0;
  std::size_t head_bytes = 0;
  std::size_t body_bytes = 0;

  [[nodiscard]] PacketType type() const { return static_cast<PacketType>(first_byte >> 4); }
  [[nodiscard]] std::size_t packet_bytes() const { return head_bytes + body_bytes; }
};
using HeadOutcome = std::variant<PacketHead, NeedMore, DecodeFault>;
[[nodiscard]] HeadOutcome decode_head(std::string_view bytes);

/// Decodes the packet at the front of the bytes, of those that a broker sends. Strict (MQTT 5 section 4.13, 3.1.1
/// section 4.8): whatever the specification calls malformed is a fault, but for what a PUBLISH has from its publisher:
/// its text and what travels with it. Brokers pass some of that on unseen (mosquitto a response topic with a wildcard,
/// RabbitMQ the empty topic), again after each resume, and the link would never come up. All views in the packet are
/// views of the bytes. A packet of more than `packet_bytes_max` bytes is a fault as soon as its head is there.
[[nodiscard]] DecodeOutcome decode(std::string_view bytes, ProtocolVersion version,
                                   std::size_t packet_bytes_max = kPacketBytesMax);

}  // namespace famemely::mqtt
