#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "protocol/websocket/decoder.hpp"

namespace famemely::websocket {

/// A client masks every frame with a key that nobody can foresee (RFC 6455 section 5.3).
using MaskingKey = std::array<std::uint8_t, 4>;

/// The largest header of a frame.
inline constexpr std::size_t kFrameHeadBytesMax = 14;

/// Appends the header of an unfragmented, unmasked data frame; the payload is to follow.
void append_frame_head(std::string& out, Opcode opcode, std::size_t payload_bytes);
/// Appends one whole data frame, as a server sends it.
void append_message(std::string& out, Opcode opcode, std::string_view payload);
/// The same as a client sends it.
void append_message(std::string& out, Opcode opcode, std::string_view payload, const MaskingKey& key);

/// One whole data frame whose payload has been deflated (RFC 7692 section 6.1), by a server and by a client.
void append_deflated_message(std::string& out, Opcode opcode, std::string_view deflated);
void append_deflated_message(std::string& out, Opcode opcode, std::string_view deflated, const MaskingKey& key);

/// Control frames carry at most 125 bytes; more is cut off (a close reason at a code point).
void append_ping(std::string& out, std::string_view payload);
void append_ping(std::string& out, std::string_view payload, const MaskingKey& key);
void append_pong(std::string& out, std::string_view payload);
void append_pong(std::string& out, std::string_view payload, const MaskingKey& key);
/// `kCloseNoStatus` makes an empty close frame.
void append_close(std::string& out, std::uint16_t code, std::string_view reason);
void append_close(std::string& out, std::uint16_t code, std::string_view reason, const MaskingKey& key);

/// XORs the bytes with the key, beginning at this position of the key; returns the position after the last byte.
std::size_t apply_mask(std::span<char> bytes, const MaskingKey& key, std::size_t phase = 0);

/// One unmasked, unfragmented frame of our own making, as found at the start of `bytes`.
struct OwnFrame {
  Opcode opcode;
  std::string_view payload;
  std::size_t frame_bytes;  // header included
};
/// Walks what `append_message` has made. The bytes must begin with such a frame.
[[nodiscard]] OwnFrame first_own_frame(std::string_view bytes);

}  // namespace famemely::websocket
