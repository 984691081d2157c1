#include "protocol/socketio/decoder.hpp"

#include <utility>

namespace famemely::socketio {
namespace {

DecodeFault fault_of(const PacketFault& fault) {
  return {fault.what, fault.too_deep ? std::optional(Limit::json_depth) : std::nullopt};
}

}  // namespace

DecodeResult Decoder::on_text(std::string_view text) {
  if (waiting_ && waiting_->due > 0) return DecodeFault{"text while attachments are due"};
  waiting_.reset();
  const auto packet = decode_packet(text);
  if (!packet) return fault_of(packet.error());
  if (packet->attachments == 0) return DecodedPacket{*packet};
  waiting_ = std::make_unique<Waiting>(Waiting{std::string(text), {}, packet->attachments, text.size()});
  return Incomplete{};
}

DecodeResult Decoder::on_binary(std::string_view data, std::size_t bytes_max) {
  if (!waiting_ || waiting_->due == 0) return DecodeFault{"binary without a packet that it belongs to"};
  waiting_->bytes += data.size();
  if (waiting_->bytes > bytes_max) return DecodeFault{"packet and attachments are too large", Limit::message_size};
  waiting_->attachments.emplace_back(data);
  if (--waiting_->due > 0) return Incomplete{};
  // The text has been checked; it is read again because the views of the first time are gone.
  const auto packet = decode_packet(waiting_->text);
  if (!packet) return fault_of(packet.error());
  return DecodedPacket{*packet, std::move(waiting_->attachments)};
}

}  // namespace famemely::socketio
