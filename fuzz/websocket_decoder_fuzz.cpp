// Whatever the bytes and however they are cut, the decoder finds what a reading of RFC 6455 without any care for speed
// finds in the whole; what it holds stays within its bound, and what it finds comes back when it is encoded.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/websocket/decoder.hpp"
#include "protocol/websocket/encoder.hpp"
#include "websocket_events.hpp"

namespace {

using namespace famemely::websocket;

constexpr std::uint32_t kMessageBytesMax = 500;
constexpr MaskingKey kKey{7, 0, 255, 1};

/// True if no text can begin like this (Unicode, table 3-7), or, if it is whole, be this.
bool is_bad_utf8(std::string_view text, bool whole) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const unsigned lead = byte(at);
    const std::size_t size = lead < 0x80                    ? 1
                             : lead >= 0xC2 && lead <= 0xDF ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
    if (size == 0) return true;
    for (std::size_t i = 1; i < size; ++i) {
      if (at + i >= text.size()) return whole;
      unsigned least = 0x80;
      unsigned most = 0xBF;
      if (i == 1 && lead == 0xE0) least = 0xA0;
      if (i == 1 && lead == 0xED) most = 0x9F;
      if (i == 1 && lead == 0xF0) least = 0x90;
      if (i == 1 && lead == 0xF4) most = 0x8F;
      if (byte(at + i) < least || byte(at + i) > most) return true;
    }
    at += size;
  }
  return false;
}

bool may_be_sent(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

std::string read_close(const std::string& payload) {
  if (payload.empty()) return "close1005";
  if (payload.size() == 1) return "fault1002";
  const unsigned code =
      static_cast<unsigned>(static_cast<std::uint8_t>(payload[0])) * 256 + static_cast<std::uint8_t>(payload[1]);
  if (!may_be_sent(code)) return "fault1002";
  if (is_bad_utf8(payload.substr(2), true)) return "fault1007";
  return "close" + std::to_string(code) + payload.substr(2);
}

/// `as_stream`: binary messages are told as they come, however long; a text is refused.
std::vector<std::string> read_slowly(Role role, const std::string& bytes, bool as_stream = false) {
  std::vector<std::string> events;
  std::string message;
  unsigned message_opcode = 0;
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  while (at + 2 <= bytes.size()) {
    const unsigned first = byte(at);
    const unsigned second = byte(at + 1);
    at += 2;
    const bool final = first >= 0x80;
    const unsigned opcode = first % 16;
    const bool masked = second >= 0x80;
    std::uint64_t length = second % 128;
    const std::size_t length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (at + length_bytes + (masked ? 4 : 0) > bytes.size()) break;
    if (length_bytes > 0) length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length = length * 256 + byte(at++);
    const std::string key = masked ? bytes.substr(at, 4) : std::string(4, '\0');
    if (masked) at += 4;

    const bool control = opcode >= 8;
    const bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    const bool shortest = length_bytes == 0 || (length_bytes == 2 ? length > 125 : length > 65535);
    const bool in_place = control || (opcode == 0) == (message_opcode != 0);
    if ((first / 16) % 8 != 0 || masked != (role == Role::server) || !shortest || !known || !in_place ||
        (control && (!final || length > 125))) {
      events.emplace_back("fault1002");
      return events;
    }
    if (as_stream && opcode == 1) {
      events.emplace_back("fault1003");
      return events;
    }
    if (as_stream && length >= std::uint64_t{1} << 63) {
      events.emplace_back("fault1002");
      return events;
    }
    if (!control && !as_stream && (length > kMessageBytesMax || message.size() + length > kMessageBytesMax)) {
      events.emplace_back("fault1009");
      return events;
    }
    const bool whole = bytes.size() - at >= length;
    std::string payload = bytes.substr(at, static_cast<std::size_t>(std::min<std::uint64_t>(length, bytes.size())));
    at += payload.size();
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
    if (control) {
      if (!whole) break;
      if (opcode == 8) {
        events.push_back(read_close(payload));
        return events;
      }
      events.push_back((opcode == 9 ? "ping" : "pong") + payload);
      continue;
    }
    if (as_stream) {
      if (!payload.empty()) events.push_back("binary" + payload);
      if (!whole) break;
      message_opcode = final ? 0 : 2;
      continue;
    }
    if (opcode != 0) message_opcode = opcode;
    message += payload;
    if (message_opcode == 1 && is_bad_utf8(message, whole && final)) {
      events.emplace_back("fault1007");
      return events;
    }
    if (!whole) break;
    if (!final) continue;
    events.push_back((message_opcode == 1 ? "text" : "binary") + message);
    message.clear();
    message_opcode = 0;
  }
  return events;
}

/// The same with the decoder under test, fed pieces of lengths that go on as `pieces` says.
std::vector<std::string> decode(Decoder decoder, std::string bytes, std::size_t pieces) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t piece = pieces == 0 ? bytes.size() : 1 + pieces % 40;
    pieces = pieces == 0 ? 0 : pieces * 5 + 3;
    decoder.feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    at += piece;
    while (const auto event = decoder.next()) events.push_back(describe(*event));
    if (decoder.buffered_bytes() > kMessageBytesMax + 125 + 14) std::abort();
  }
  return events;
}

/// Pieces of a stream that follow one another, joined.
std::vector<std::string> join_data(const std::vector<std::string>& events) {
  std::vector<std::string> joined;
  for (const std::string& event : events) {
    if (event.starts_with("binary") && !joined.empty() && joined.back().starts_with("binary"))
      joined.back() += event.substr(6);
    else
      joined.push_back(event);
  }
  return joined;
}

/// What a peer writes who says the same again.
std::vector<std::string> say_again(const std::string& bytes) {
  std::string copy = bytes;
  std::string out;
  Decoder decoder(Role::server, kMessageBytesMax);
  decoder.feed(copy);
  while (const auto event = decoder.next()) {
    if (const auto* message = std::get_if<Message>(&*event)) append_message(out, message->opcode, message->data, kKey);
    if (const auto* ping = std::get_if<Ping>(&*event)) append_ping(out, ping->data, kKey);
    if (const auto* pong = std::get_if<Pong>(&*event)) append_pong(out, pong->data, kKey);
    if (const auto* close = std::get_if<Close>(&*event)) append_close(out, close->code, close->reason, kKey);
  }
  return decode(Decoder(Role::server, kMessageBytesMax), out, 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Role role = data[0] % 2 == 0 ? Role::server : Role::client;
  const std::size_t pieces = std::size_t{data[1]} + 1;
  const std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  std::vector<std::string> events = read_slowly(role, bytes);
  const auto decoded = [&](std::size_t cut) { return decode(Decoder(role, kMessageBytesMax), bytes, cut); };
  if (decoded(0) != events || decoded(pieces) != events) std::abort();
  const std::vector<std::string> stream = join_data(read_slowly(role, bytes, true));
  const auto streamed = [&](std::size_t cut) {
    return join_data(decode(Decoder(role, Decoder::AsStream{}), bytes, cut));
  };
  if (streamed(0) != stream || streamed(pieces) != stream) std::abort();
  if (role == Role::client) return 0;
  if (!events.empty() && events.back().starts_with("fault")) events.pop_back();
  if (say_again(bytes) != events) std::abort();
  return 0;
}
