#include "protocol/mqtt/packet_reader.hpp"

#include <algorithm>

#include "protocol/mqtt/byte_reader.hpp"

namespace famemely::mqtt {

void PacketReader::reset(ProtocolVersion version) {
  version_ = version;
  input_ = {};
  carried_.clear();
  completed_.clear();
  skip_left_ = 0;
}

void PacketReader::feed(std::string_view bytes) {
  input_ = bytes;
  completed_.clear();
}

bool PacketReader::carry_up_to(std::size_t bytes) {
  const std::size_t wanted = bytes - std::min(bytes, carried_.size());
  const std::size_t taken = std::min(wanted, input_.size());
  carried_.append(input_.substr(0, taken));
  input_.remove_prefix(taken);
  return taken == wanted;
}

ReadOutcome PacketReader::next() {
  const std::size_t skipped = std::min(skip_left_, input_.size());
  input_.remove_prefix(skipped);
  skip_left_ -= skipped;
  if (skip_left_ > 0) return NeedMore{};
  return carried_.empty() ? next_from_input() : next_from_carried();
}

ReadOutcome PacketReader::next_from_input() {
  DecodeOutcome outcome = decode(input_, version_, packet_bytes_max_);
  if (auto* decoded = std::get_if<Decoded>(&outcome)) {
    input_.remove_prefix(decoded->bytes);
    return decoded->packet;
  }
  if (std::holds_alternative<NeedMore>(outcome)) {
    carried_.assign(input_);
    input_ = {};
    return NeedMore{};
  }
  const auto& fault = std::get<DecodeFault>(outcome);
  if (fault.code == ReasonCode::packet_too_large) return skip_oversized(std::get<PacketHead>(decode_head(input_)));
  return fault;
}

ReadOutcome PacketReader::next_from_carried() {
  HeadOutcome outcome = decode_head(carried_);
  while (std::holds_alternative<NeedMore>(outcome)) {
    if (!carry_up_to(carried_.size() + 1)) return NeedMore{};
    outcome = decode_head(carried_);
  }
  if (const auto* fault = std::get_if<DecodeFault>(&outcome)) return *fault;
  const auto& head = std::get<PacketHead>(outcome);
  if (head.packet_bytes() > packet_bytes_max_) return skip_oversized(head);
  if (!carry_up_to(head.packet_bytes())) return NeedMore{head.packet_bytes()};
  // Only the first packet of a feed can have begun earlier, so nothing points into the other string now.
  std::swap(carried_, completed_);
  carried_.clear();
  DecodeOutcome decoded = decode(completed_, version_, packet_bytes_max_);
  if (const auto* fault = std::get_if<DecodeFault>(&decoded)) return *fault;
  return std::get<Decoded>(decoded).packet;
}

ReadOutcome PacketReader::skip_oversized(const PacketHead& head) {
  // A broker of version 5 has been told the limit.
  if (version_ == ProtocolVersion::v5 || head.type() != PacketType::publish)
    return DecodeFault{ReasonCode::packet_too_large, "packet is larger than the Maximum Packet Size that we announced"};
  const auto qos = static_cast<std::uint8_t>(head.first_byte >> 1 & 0x3);
  if (qos == 3) return DecodeFault{ReasonCode::malformed_packet, "QoS 3 in PUBLISH"};
  if (!carry_up_to(head.head_bytes + 2)) return NeedMore{};
  const std::size_t topic_bytes = ByteReader(std::string_view(carried_).substr(head.head_bytes)).u16();
  const std::size_t wanted = head.head_bytes + 2 + topic_bytes + (qos > 0 ? 2 : 0);
  if (wanted > head.packet_bytes()) return DecodeFault{ReasonCode::malformed_packet, "PUBLISH is too short"};
  if (!carry_up_to(wanted)) return NeedMore{};
  std::swap(carried_, oversized_);
  carried_.clear();
  ByteReader body(std::string_view(oversized_).substr(head.head_bytes));
  OversizedPublish publish{.topic = body.prefixed(),
                           .packet_bytes = head.packet_bytes(),
                           .packet_id = 0,
                           .qos = qos,
                           .dup = (head.first_byte & 0x8) != 0};
  if (qos > 0) publish.packet_id = body.u16();
  if (qos > 0 && publish.packet_id == 0)
    return DecodeFault{ReasonCode::malformed_packet, "packet identifier 0 in PUBLISH"};
  skip_left_ = head.packet_bytes() - wanted;
  return publish;
}

}  // namespace famemely::mqtt
