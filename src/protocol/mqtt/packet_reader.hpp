#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/mqtt/decoder.hpp"

namespace famemely::mqtt {

/// The head of a PUBLISH that is too large to be held; its payload is read past. The topic is valid until the next
/// call.
struct OversizedPublish {
  std::string_view topic;
  std::size_t packet_bytes;
  std::uint16_t packet_id;  // 0 at QoS 0
  std::uint8_t qos;
  bool dup;
};

using ReadOutcome = std::variant<ReceivedPacket, OversizedPublish, NeedMore, DecodeFault>;

/// Finds the packets in a stream that arrives in any pieces. A packet that lies whole in the fed bytes is decoded
/// there; only one that arrives in pieces is copied together. Views are valid until the next `feed` or `reset`, as long
/// as the fed bytes are.
class PacketReader {
 public:
  explicit PacketReader(std::size_t packet_bytes_max) : packet_bytes_max_(packet_bytes_max) {}

  /// A new connection begins.
  void reset(ProtocolVersion version);
  void feed(std::string_view bytes);
  /// To be called until it says NeedMore or a fault.
  [[nodiscard]] ReadOutcome next();

 private:
  [[nodiscard]] ReadOutcome next_from_input();
  [[nodiscard]] ReadOutcome next_from_carried();
  [[nodiscard]] ReadOutcome skip_oversized(const PacketHead& head);
  /// Moves fed bytes over until that many are carried; false if there are not enough.
  bool carry_up_to(std::size_t bytes);

  std::size_t packet_bytes_max_;
  ProtocolVersion version_ = ProtocolVersion::v5;
  std::string_view input_;
  std::string carried_;    // a packet that has begun
  std::string completed_;  // one that began in an earlier feed: views point here
  std::string oversized_;  // the head of one that is read past: valid until the next call of next
  std::size_t skip_left_ = 0;
};

}  // namespace famemely::mqtt
