// permessage-deflate: whole feed equals split feed, whatever the bytes; an inflated message stays within its bound, and
// so does what is buffered. An even first byte makes the rest the payload of one compressed message.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/websocket/decoder.hpp"
#include "protocol/websocket/encoder.hpp"
#include "websocket_events.hpp"

namespace {

using namespace famemely;
using namespace famemely::websocket;

constexpr std::uint32_t kMessageBytesMax = 500;
constexpr std::size_t kBufferedBytesMax = kMessageBytesMax + kMessageBytesMax / 8 + 64 + 125 + 14;

std::vector<std::string> decode(std::string bytes, std::size_t piece) {
  static Inflater inflater;
  Decoder decoder(Role::client, kMessageBytesMax);
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    decoder.feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    while (const auto event = decoder.next(&inflater)) {
      const auto* message = std::get_if<Message>(&*event);
      if (message && message->data.size() > kMessageBytesMax) std::abort();
      events.push_back(describe(*event));
    }
    if (decoder.buffered_bytes() > kBufferedBytesMax) std::abort();
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::size_t piece = 1 + data[1] % 40;
  std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  if (data[0] % 2 == 0) {
    std::string framed;
    append_deflated_message(framed, data[0] % 4 == 0 ? Opcode::text : Opcode::binary, bytes);
    bytes = framed;
  }
  if (decode(bytes, bytes.size()) != decode(bytes, piece)) std::abort();
  return 0;
}
