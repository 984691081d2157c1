#include "protocol/websocket/encoder.hpp"

#include <cstring>

namespace famemely::websocket {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kCompressed = 0x40;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPing = 0x9;
constexpr std::uint8_t kPong = 0xA;
constexpr std::size_t kControlBytesMax = 125;

void put(std::string& out, std::uint64_t byte) { out.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); }

void append_head(std::string& out, std::uint8_t opcode, std::size_t payload_bytes, std::uint8_t mask_bit) {
  put(out, kFin | opcode);
  if (payload_bytes < 126) {
    put(out, mask_bit | payload_bytes);
  } else if (payload_bytes <= 0xFFFF) {
    put(out, mask_bit | 126U);
    put(out, payload_bytes >> 8);
    put(out, payload_bytes);
  } else {
    put(out, mask_bit | 127U);
    for (int shift = 56; shift >= 0; shift -= 8) put(out, std::uint64_t{payload_bytes} >> shift);
  }
}

void append_frame(std::string& out, std::uint8_t opcode, std::string_view payload, const MaskingKey* key) {
  append_head(out, opcode, payload.size(), key ? kMasked : std::uint8_t{0});
  if (key) out.append(reinterpret_cast<const char*>(key->data()), key->size());
  const std::size_t start = out.size();
  out.append(payload);
  if (key) apply_mask(std::span(out.data() + start, payload.size()), *key);
}

void append_close_frame(std::string& out, std::uint16_t code, std::string_view reason, const MaskingKey* key) {
  std::string payload;
  if (code != kCloseNoStatus) {
    put(payload, std::uint64_t{code} >> 8);
    put(payload, code);
    if (reason.size() > kControlBytesMax - 2) {
      std::size_t size = kControlBytesMax - 2;
      while (size > 0 && (static_cast<std::uint8_t>(reason[size]) & 0xC0) == 0x80) --size;
      reason = reason.substr(0, size);
    }
    payload.append(reason);
  }
  append_frame(out, kClose, payload, key);
}

}  // namespace

void append_frame_head(std::string& out, Opcode opcode, std::size_t payload_bytes) {
  append_head(out, static_cast<std::uint8_t>(opcode), payload_bytes, 0);
}

void append_message(std::string& out, Opcode opcode, std::string_view payload) {
  append_frame(out, static_cast<std::uint8_t>(opcode), payload, nullptr);
}

void append_message(std::string& out, Opcode opcode, std::string_view payload, const MaskingKey& key) {
  append_frame(out, static_cast<std::uint8_t>(opcode), payload, &key);
}

void append_deflated_message(std::string& out, Opcode opcode, std::string_view deflated) {
  append_frame(out, static_cast<std::uint8_t>(opcode) | kCompressed, deflated, nullptr);
}

void append_deflated_message(std::string& out, Opcode opcode, std::string_view deflated, const MaskingKey& key) {
  append_frame(out, static_cast<std::uint8_t>(opcode) | kCompressed, deflated, &key);
}

void append_ping(std::string& out, std::string_view payload) {
  append_frame(out, kPing, payload.substr(0, kControlBytesMax), nullptr);
}

void append_ping(std::string& out, std::string_view payload, const MaskingKey& key) {
  append_frame(out, kPing, payload.substr(0, kControlBytesMax), &key);
}

void append_pong(std::string& out, std::string_view payload) {
  append_frame(out, kPong, payload.substr(0, kControlBytesMax), nullptr);
}

void append_pong(std::string& out, std::string_view payload, const MaskingKey& key) {
  append_frame(out, kPong, payload.substr(0, kControlBytesMax), &key);
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason) {
  append_close_frame(out, code, reason, nullptr);
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason, const MaskingKey& key) {
  append_close_frame(out, code, reason, &key);
}

std::size_t apply_mask(std::span<char> bytes, const MaskingKey& key, std::size_t phase) {
  const auto key_byte = [&](std::size_t i) { return key[(phase + i) & 3]; };
  std::array<std::uint8_t, 8> wide_key;
  for (std::size_t i = 0; i < wide_key.size(); ++i) wide_key[i] = key_byte(i);
  std::uint64_t mask;
  std::memcpy(&mask, wide_key.data(), sizeof mask);

  std::size_t at = 0;
  for (; at + sizeof mask <= bytes.size(); at += sizeof mask) {
    std::uint64_t chunk;
    std::memcpy(&chunk, bytes.data() + at, sizeof chunk);
    chunk ^= mask;
    std::memcpy(bytes.data() + at, &chunk, sizeof chunk);
  }
  for (; at < bytes.size(); ++at) bytes[at] = static_cast<char>(static_cast<std::uint8_t>(bytes[at]) ^ key_byte(at));
  return (phase + bytes.size()) & 3;
}

OwnFrame first_own_frame(std::string_view bytes) {
  const auto byte = [bytes](std::size_t i) { return std::size_t{static_cast<std::uint8_t>(bytes[i])}; };
  std::size_t head = 2;
  std::size_t length = byte(1);
  if (length >= 126) {
    const std::size_t length_bytes = length == 126 ? 2 : 8;
    length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | byte(head++);
  }
  return {static_cast<Opcode>(byte(0) & 0x0F), bytes.substr(head, length), head + length};
}

}  // namespace famemely::websocket
