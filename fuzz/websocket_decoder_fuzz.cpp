// Whole feed equals split feed, whatever the bytes; what is buffered stays within its bound.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/websocket/decoder.hpp"

namespace {

using namespace famemely::websocket;

constexpr std::uint32_t kMessageBytesMax = 500;

std::string describe(const Event& event) {
  struct Describe {
    std::string operator()(const Message& m) const {
      return (m.opcode == Opcode::text ? "text" : "binary") + std::string(m.data);
    }
    std::string operator()(const Ping& p) const { return "ping" + std::string(p.data); }
    std::string operator()(const Pong& p) const { return "pong" + std::string(p.data); }
    std::string operator()(const Close& c) const { return "close" + std::to_string(c.code) + std::string(c.reason); }
    std::string operator()(const Fault& f) const { return "fault" + std::to_string(f.close_code); }
  };
  return std::visit(Describe{}, event);
}

std::vector<std::string> decode(Role role, std::string bytes, std::size_t piece) {
  Decoder decoder(role, kMessageBytesMax);
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    decoder.feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    while (const auto event = decoder.next()) events.push_back(describe(*event));
    if (decoder.buffered_bytes() > kMessageBytesMax + 125 + 14) std::abort();
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Role role = data[0] % 2 == 0 ? Role::server : Role::client;
  const std::size_t piece = 1 + data[1] % 40;
  const std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  if (bytes.empty()) return 0;
  if (decode(role, bytes, bytes.size()) != decode(role, bytes, piece)) std::abort();
  return 0;
}
