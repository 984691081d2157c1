#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random_source.hpp"
#include "protocol/websocket/decoder.hpp"

namespace famemely::websocket {

/// A client's end of a WebSocket that carries one stream of bytes each way, as MQTT does (MQTT 5 section 6): what comes
/// in binary messages is told as it comes, however it is cut; what is sent goes out in binary messages, each frame with
/// a fresh mask. After the handshake:
///
///     stream.feed(bytes);
///     while (auto data = stream.next()) ...
///     if (stream.ended()) ... the caller writes what `take_answers` appends, and closes
///
/// Views are valid until the next call of `feed` or `next`.
class ClientStream {
 public:
  /// The largest payload of a frame that we send; some brokers take no more than 128 KB.
  static constexpr std::size_t kFrameBytesMax = 65'536;

  /// The random source must be one of secrets: nobody may foresee a mask (RFC 6455 section 10.3).
  explicit ClientStream(RandomSource& random) : random_(random), decoder_(Role::client, Decoder::AsStream{}) {}

  void feed(std::span<char> bytes) { decoder_.feed(bytes); }
  /// The next piece of the stream, or nothing when more bytes are needed, or when it has ended.
  [[nodiscard]] std::optional<std::string_view> next();

  /// Why the peer has ended the stream, or why we must; nothing while it goes on.
  [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }

  /// Appends the frames that carry the bytes.
  void send(std::string_view data, std::string& out);
  /// Appends the answer to the last ping (those to earlier ones may be left out: RFC 6455 section 5.5.3), and to a
  /// close frame or a fault.
  void take_answers(std::string& out);
  /// Appends a close frame, if none has gone out yet; nothing may be sent after it.
  void close(std::string& out);

 private:
  RandomSource& random_;
  Decoder decoder_;
  std::optional<std::string> ended_;
  std::optional<std::string> pong_;
  std::uint16_t close_code_ = kCloseNormal;
  bool close_sent_ = false;
};

}  // namespace famemely::websocket
