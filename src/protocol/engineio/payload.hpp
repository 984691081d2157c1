#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/engineio/packet.hpp"
#include "protocol/websocket/encoder.hpp"

namespace famemely::engineio {

/// Between the packets of a polling payload (Engine.IO protocol 4, "HTTP long-polling").
inline constexpr char kSeparator = '\x1e';
/// More packets in one answer are refused by python-engineio.
inline constexpr std::size_t kPacketsPerAnswerMax = 16;

struct PayloadFault {};

/// Reads the packets of a POST's body, one after the other. An empty packet, one of no known type, text that is not
/// UTF-8: a fault, and the end.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view body) : rest_(body) {}

  /// Nothing after the last packet. The packet is valid until the next call.
  [[nodiscard]] std::optional<std::variant<Packet, PayloadFault>> next();

 private:
  std::string_view rest_;
  std::string scratch_;
  bool finished_ = false;
};

/// What a packet that is framed for WebSocket takes in a payload, without separator.
[[nodiscard]] std::size_t payload_bytes(const websocket::OwnFrame& frame);
void append_packet(std::string& payload, const websocket::OwnFrame& frame);

}  // namespace famemely::engineio
