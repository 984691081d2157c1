#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/shared_bytes.hpp"
#include "protocol/websocket/encoder.hpp"

namespace famemely::engineio {

/// One immutable thing to send, already framed for WebSocket: usually one Engine.IO packet, or several back to back
/// where nothing may come between them (the header of a binary event and its attachments). What a polling client gets
/// of it is derived by walking the frames. Made once, held by the queue of every client it goes to; copies may be made
/// and dropped on any thread.
class Frame {
 public:
  Frame() = default;
  /// The bytes must be whole WebSocket frames as `websocket::append_message` makes them.
  explicit Frame(SharedBytes websocket_bytes) : websocket_bytes_(std::move(websocket_bytes)) {}

  [[nodiscard]] const SharedBytes& shared_bytes() const { return websocket_bytes_; }
  [[nodiscard]] std::string_view websocket_bytes() const { return websocket_bytes_.view(); }
  [[nodiscard]] std::size_t size() const { return websocket_bytes_.size(); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(websocket_bytes_); }

  /// The same frame for all WebSockets as it is, whatever they have agreed on: for what is compressed already, or mixes
  /// a secret with what others choose.
  [[nodiscard]] Frame uncompressed() const {
    Frame same = *this;
    same.may_be_compressed_ = false;
    return same;
  }
  [[nodiscard]] bool may_be_compressed() const { return may_be_compressed_; }

 private:
  SharedBytes websocket_bytes_;
  bool may_be_compressed_ = true;
};

/// A frame of one text packet, its type digit included (`2`, `4hello`).
[[nodiscard]] Frame make_text_frame(std::string_view packet);
/// A frame of one binary message.
[[nodiscard]] Frame make_binary_frame(std::string_view data);
/// A frame of a text packet and binary messages that belong to it: nothing can come between them.
[[nodiscard]] Frame make_frame(std::string_view packet, std::span<const std::string_view> attachments);

}  // namespace famemely::engineio
