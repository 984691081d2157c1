#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/engineio/frame.hpp"

namespace famemely::socketio {

using engineio::Frame;

/// The free functions of this file may be called on any thread: an event is encoded once, wherever it arises.

/// An EVENT, or with attachments a BINARY_EVENT and its attachments in one frame. `args_json` is what follows the name:
/// the arguments' JSON texts with commas between (`{"a":1},"x"`), empty for none; it is not looked at. Where an
/// attachment is to appear, write its placeholder with `append_placeholder`.
/// An ack id makes the client acknowledge; see `Server::next_ack_id`.
[[nodiscard]] Frame make_event_frame(std::string_view nsp, std::string_view name, std::string_view args_json,
                                     std::span<const std::string_view> attachments = {},
                                     std::optional<std::uint32_t> ack_id = std::nullopt);

/// An ACK or BINARY_ACK.
[[nodiscard]] Frame make_ack_frame(std::string_view nsp, std::uint64_t ack_id, std::string_view args_json,
                                   std::span<const std::string_view> attachments = {});

/// `40/mqtt,{"sid":"…"}`, and `"pid"` if the session can be recovered.
[[nodiscard]] Frame make_connect_frame(std::string_view nsp, std::string_view sid, std::string_view pid = {});
/// `44/mqtt,{"message":"…","data":…}`; empty data is left out.
[[nodiscard]] Frame make_connect_error_frame(std::string_view nsp, std::string_view message,
                                             std::string_view data_json = {});
/// `41/mqtt,`
[[nodiscard]] Frame make_disconnect_frame(std::string_view nsp);

/// Appends the offset as one more argument, a string: the client tells the last one it has seen when it asks for
/// recovery. Digits, letters, `.` and `-` only.
void append_offset(std::string& args_json, std::string_view offset);
/// The same event for a client that wants no offsets; the frame must have one.
[[nodiscard]] Frame without_offset(const Frame& frame);

/// Appends `{"_placeholder":true,"num":N}`.
void append_placeholder(std::string& out, std::size_t attachment);
/// True if a client would take some object of this JSON text for an attachment, were it sent in a binary event. Such
/// data must go out in an event without attachments, where clients leave it alone.
[[nodiscard]] bool looks_like_placeholder(std::string_view json);

}  // namespace famemely::socketio
