#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/deflate.hpp"

namespace famemely::websocket {

enum class Role : std::uint8_t { server, client };

/// RFC 6455 section 5.2; only these opcodes reach the caller as a message.
enum class Opcode : std::uint8_t { text = 0x1, binary = 0x2 };

/// Close codes of RFC 6455 section 7.4.1 that we send or tell.
inline constexpr std::uint16_t kCloseNormal = 1000;
inline constexpr std::uint16_t kCloseProtocolError = 1002;
inline constexpr std::uint16_t kCloseUnsupported = 1003;
inline constexpr std::uint16_t kCloseNoStatus = 1005;  // never on the wire: the close frame was empty
inline constexpr std::uint16_t kCloseInvalidPayload = 1007;
inline constexpr std::uint16_t kCloseTooBig = 1009;

struct Message {
  Opcode opcode;
  std::string_view data;
};
struct Ping {
  std::string_view data;
};
struct Pong {
  std::string_view data;
};
struct Close {
  std::uint16_t code;  // kCloseNoStatus if the frame was empty
  std::string_view reason;
};
/// The peer broke the protocol: close with this code. Nothing is decoded after it.
struct Fault {
  std::uint16_t close_code;
  const char* what;
};
using Event = std::variant<Message, Ping, Pong, Close, Fault>;

/// Finds the messages in one direction of a WebSocket connection (RFC 6455 section 5). Masked bytes are unmasked where
/// they lie, and a message that lies whole in the fed bytes is handed out as a view of them; only what arrives in
/// pieces is copied, into a buffer that is let go with the message. An idle decoder holds no buffer.
///
///     decoder.feed(bytes);
///     while (auto event = decoder.next()) ...
///
/// Where permessage-deflate (RFC 7692) has been agreed on, without context takeover by the peer, `next` is given an
/// inflater, the same or another each time: one serves any number of decoders. A compressed message is gathered as it
/// comes, and inflated when it is whole, so that a connection which is slow to send one holds no state of zlib. The
/// limit is that of the inflated message.
///
/// A decoder `AsStream` is for protocols to which the bounds of messages mean nothing (MQTT 5 section 6): binary
/// messages are told piece by piece as they come, each as a Message, and nothing is gathered; so they may be of any
/// length. A text is a Fault.
///
/// Views are valid until the next call of `next` or `feed`, and until the inflater's next use; the fed bytes must stay
/// where they are until `next` has said nothing.
class Decoder {
 public:
  struct AsStream {};
  Decoder(Role role, std::uint32_t message_bytes_max) : message_bytes_max_(message_bytes_max), role_(role) {}

  Decoder(Role role, AsStream) : message_bytes_max_(0), role_(role), as_stream_(true) {}

  void feed(std::span<char> bytes);
  /// The next event, or nothing when more bytes are needed (for ever after a Fault or a Close).
  [[nodiscard]] std::optional<Event> next(Inflater* inflater = nullptr);

  /// True if a frame or a fragmented message has begun and is not complete.
  [[nodiscard]] bool inside_message() const { return partial_ != nullptr; }
  /// Bytes held for what has arrived in pieces.
  [[nodiscard]] std::size_t buffered_bytes() const;

 private:
  struct FrameHead;
  struct Partial;
  struct PartialDeleter {
    void operator()(Partial* partial) const;
  };

  Partial& partial();
  [[nodiscard]] std::size_t available() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool inside_fragmented_message() const;
  Fault fault(std::uint16_t close_code, const char* what);
  /// The head at the front of what is there; nothing if it is not whole.
  std::optional<FrameHead> read_head();
  /// Why this frame is refused, or nothing.
  [[nodiscard]] std::optional<Fault> check(const FrameHead& head, bool may_be_compressed) const;
  std::optional<Event> whole_frame(const FrameHead& head, Inflater* inflater);
  std::optional<Event> piece_of_frame(Inflater* inflater);
  /// Adds to a message that comes in pieces; the message itself with the last one.
  std::optional<Event> add_to_message(const FrameHead& head, std::string_view data, bool last, Inflater* inflater);
  std::optional<Event> piece_of_stream(const FrameHead& head, std::string_view data, bool last);
  Event data_event(std::uint8_t opcode, std::string_view data);
  Event inflated_event(std::uint8_t opcode, std::string_view deflated, Inflater* inflater);
  Event control_event(std::uint8_t opcode, std::string_view payload);
  void let_go_of_delivered();

  char* at_ = nullptr;  // the part of the fed bytes not looked at yet
  char* end_ = nullptr;
  std::unique_ptr<Partial, PartialDeleter> partial_;
  std::uint32_t message_bytes_max_;
  Role role_;
  bool as_stream_ = false;
  bool finished_ = false;
};

}  // namespace famemely::websocket
