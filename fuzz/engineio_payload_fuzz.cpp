// What is read from a payload and written again is read the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/engineio/payload.hpp"

namespace {

using namespace famemely::engineio;
using famemely::websocket::Opcode;
using famemely::websocket::OwnFrame;

struct Read {
  PacketType type;
  bool binary;
  std::string data;
  bool operator==(const Read&) const = default;
};

/// The packets before a fault, if there is one.
std::vector<Read> read(std::string_view body) {
  PayloadReader reader(body);
  std::vector<Read> packets;
  while (const auto step = reader.next())
    if (const auto* packet = std::get_if<Packet>(&*step))
      packets.push_back({packet->type, packet->binary, std::string(packet->data)});
  return packets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto packets = read({reinterpret_cast<const char*>(data), size});
  if (packets.empty()) return 0;
  std::string payload;
  for (const Read& packet : packets) {
    if (!payload.empty()) payload.push_back(kSeparator);
    const std::string text = packet.binary ? packet.data : std::to_string(static_cast<int>(packet.type)) + packet.data;
    const OwnFrame frame{packet.binary ? Opcode::binary : Opcode::text, text, 0};
    const std::size_t before = payload.size();
    append_packet(payload, frame);
    if (payload.size() - before != payload_bytes(frame)) std::abort();
  }
  if (read(payload) != packets) std::abort();
  return 0;
}
