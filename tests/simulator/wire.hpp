#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/mqtt/packet.hpp"

/// The simulated broker's own reading and writing of packets, in both directions: written apart from the session's
/// decoder and encoder, so that an error of theirs does not cancel itself out.
namespace famemely::mqtt::simulator {

/// A packet of any kind; each kind uses some of the fields.
struct WirePacket {
  PacketType type{};
  std::size_t bytes = 0;
  std::uint16_t packet_id = 0;
  std::uint8_t code = 0;
  // PUBLISH
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::string topic{};
  std::string payload{};
  std::uint16_t alias = 0;
  std::vector<std::uint32_t> identifiers{};  // one at most in SUBSCRIBE
  PublishProperties properties{};
  // SUBSCRIBE (with options) and UNSUBSCRIBE; SUBACK and UNSUBACK
  std::vector<std::pair<std::string, std::uint8_t>> filters{};
  std::string codes{};
  // CONNECT and CONNACK
  ProtocolVersion version{};
  bool clean = false;
  bool session_present = false;
  std::string client_id{};
  std::uint16_t keepalive_s = 0;
  std::optional<std::uint32_t> session_expiry_s{};
  std::uint16_t receive_maximum = 65'535;
  std::optional<std::uint32_t> maximum_packet_size{};
  std::uint16_t alias_maximum = 0;
  std::uint8_t maximum_qos = 2;
  bool retain_available = true;
  bool wildcards_available = true;
  bool identifiers_available = true;
};

/// Takes the first packet off the stream; nothing if it is not whole yet. Throws Violation on what is no packet.
[[nodiscard]] std::optional<WirePacket> take_packet(std::string& stream, ProtocolVersion version);
/// Takes what stands before the payload of a PUBLISH of version 3.1.1 with more than so many bytes; nothing if the
/// first packet is none, or not there that far.
[[nodiscard]] std::optional<WirePacket> take_head_of_large(std::string& stream, std::size_t packet_bytes_max);
[[nodiscard]] std::string write_packet(const WirePacket& packet, ProtocolVersion version);
/// For the trace: `PUBLISH id 3 qos 1 dup "7;" to a/1`.
[[nodiscard]] std::string describe(const WirePacket& packet);

}  // namespace famemely::mqtt::simulator
