#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/encoder.hpp"

using namespace famemely::mqtt;

namespace {

/// What the decoder accepts as a PUBLISH, the encoder can write, and it then means the same.
void check_round_trip(const Publish& publish, ProtocolVersion version) {
  const PublishProperties properties = publish.properties.copy();
  std::string out;
  encode_publish({.topic = publish.topic,
                  .payload = publish.payload,
                  .qos = publish.qos,
                  .retain = publish.retain,
                  .dup = publish.dup,
                  .packet_id = publish.packet_id,
                  .topic_alias = publish.topic_alias,
                  .properties = &properties},
                 version, out);
  const DecodeOutcome outcome = decode(out, version);
  const auto* decoded = std::get_if<Decoded>(&outcome);
  if (!decoded || decoded->bytes != out.size()) std::abort();
  const auto& again = std::get<Publish>(decoded->packet);
  if (again.topic != publish.topic || again.payload != publish.payload || again.qos != publish.qos ||
      again.packet_id != publish.packet_id || again.properties.copy() != properties)
    std::abort();
}

void check(std::string_view bytes, ProtocolVersion version) {
  const DecodeOutcome outcome = decode(bytes, version);
  const auto* decoded = std::get_if<Decoded>(&outcome);
  if (!decoded) return;
  if (decoded->bytes > bytes.size()) std::abort();
  if (!std::holds_alternative<NeedMore>(decode(bytes.substr(0, decoded->bytes - 1), version))) std::abort();
  if (const auto* publish = std::get_if<Publish>(&decoded->packet)) check_round_trip(*publish, version);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes, ProtocolVersion::v5);
  check(bytes, ProtocolVersion::v3_1_1);
  return 0;
}
