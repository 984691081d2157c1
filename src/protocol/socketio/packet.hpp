#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace famemely::socketio {

/// Socket.IO protocol 5, section "Packet types".
enum class PacketType : std::uint8_t { connect, disconnect, event, ack, connect_error, binary_event, binary_ack };

/// Acknowledgement ids are JavaScript numbers: whole up to here.
inline constexpr std::uint64_t kAckIdMax = (std::uint64_t{1} << 53) - 1;
/// The official parser's limit.
inline constexpr std::size_t kAttachmentsMax = 10;

//  <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//
//  42["foo"]                          event in the namespace "/"
//  42/mqtt,12["foo",{"a":1}]          with an acknowledgement asked for
//  452-/mqtt,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]
//                                     two binary messages follow at once
struct Packet {
  PacketType type;
  std::size_t attachments = 0;  // that follow as binary messages
  std::string_view nsp = "/";
  std::optional<std::uint64_t> ack_id{};
  std::string_view json{};  // one value, checked; empty if there is none

  [[nodiscard]] bool binary() const { return type == PacketType::binary_event || type == PacketType::binary_ack; }
};

struct PacketFault {
  const char* what;
  bool too_deep = false;  // its JSON
};

/// Reads and checks a packet, but for its attachments.
[[nodiscard]] Result<Packet, PacketFault> decode_packet(std::string_view text);

}  // namespace famemely::socketio
