// A payload is read as a plain splitting of it says; what has been read and is written again, through the queue of a
// client that polls, arrives the same and in answers that keep their limits.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "protocol/engineio/outbox.hpp"
#include "protocol/engineio/payload.hpp"

namespace {

using namespace famemely;
using namespace famemely::engineio;

constexpr std::size_t kAnswerBytesMax = 100;

struct Read {
  PacketType type;
  bool binary;
  std::string data;
  bool operator==(const Read&) const = default;
};
struct Reading {
  std::vector<Read> packets;
  bool fault = false;
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view body) {
  PayloadReader reader(body);
  Reading reading;
  while (const auto step = reader.next()) {
    if (reading.fault) std::abort();  // a fault is the end
    if (const auto* packet = std::get_if<Packet>(&*step)) {
      reading.packets.push_back({packet->type, packet->binary, std::string(packet->data)});
    } else {
      reading.fault = true;
    }
  }
  return reading;
}

Reading read_slowly(const std::string& body) {
  Reading reading;
  std::size_t at = 0;
  while (at <= body.size() && !reading.fault) {
    const std::size_t end = std::min(body.find('\x1e', at), body.size());
    const std::string text = body.substr(at, end - at);
    at = end + 1;
    const auto bytes = text.starts_with('b') ? base64_decode(text.substr(1)) : std::nullopt;
    if (bytes) {
      reading.packets.push_back({PacketType::message, true, *bytes});
    } else if (!text.empty() && text[0] >= '0' && text[0] <= '6' && is_utf8(text)) {
      reading.packets.push_back({static_cast<PacketType>(text[0] - '0'), false, text.substr(1)});
    } else {
      reading.fault = true;
    }
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  const Reading reading = read(body);
  if (reading != read_slowly(body)) std::abort();
  std::size_t bytes = 0;
  for (const Read& packet : reading.packets) bytes += packet.data.size();
  if (bytes > body.size()) std::abort();

  FramePool pool;
  Outbox outbox;
  for (std::size_t i = 0; i < reading.packets.size();) {
    // A text and what is binary after it belong together, as an event and its attachments do.
    const auto text_of = [](const Read& packet) { return std::to_string(static_cast<int>(packet.type)) + packet.data; };
    const Read& first = reading.packets[i++];
    if (first.binary) {
      pool.push(outbox, make_binary_frame(first.data));
      continue;
    }
    std::vector<std::string_view> attachments;
    while (i < reading.packets.size() && reading.packets[i].binary) attachments.emplace_back(reading.packets[i++].data);
    pool.push(outbox, make_frame(text_of(first), attachments));
  }
  std::vector<Read> arrived;
  while (!outbox.empty()) {
    std::string answer;
    pool.take_payload(outbox, answer, kPacketsPerAnswerMax, kAnswerBytesMax);
    const Reading part = read(answer);
    if (part.fault || part.packets.empty() || part.packets.size() > kPacketsPerAnswerMax) std::abort();
    if (part.packets.size() > 1 && answer.size() > kAnswerBytesMax) std::abort();
    arrived.insert(arrived.end(), part.packets.begin(), part.packets.end());
  }
  if (arrived != reading.packets || outbox.bytes != 0) std::abort();
  return 0;
}
