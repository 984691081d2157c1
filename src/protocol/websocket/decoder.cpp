#include "protocol/websocket/decoder.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.hpp"
#include "protocol/websocket/encoder.hpp"

namespace famemely::websocket {
namespace {

constexpr std::uint8_t kContinuation = 0x0;
constexpr std::uint8_t kText = 0x1;
constexpr std::uint8_t kBinary = 0x2;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPing = 0x9;
constexpr std::uint8_t kPong = 0xA;
constexpr std::size_t kControlBytesMax = 125;
/// RSV1 marks a compressed message, on its first frame (RFC 7692 section 6); nothing has claimed the other two.
constexpr std::uint8_t kCompressed = 0x40;

/// What a message of this size may take compressed: what can't be compressed grows a little, the more the smaller the
/// sender's blocks are.
std::uint64_t deflated_bytes_max(std::uint32_t message_bytes_max) {
  return std::uint64_t{message_bytes_max} + message_bytes_max / 8 + 64;
}

bool is_control(std::uint8_t opcode) { return (opcode & 0x8) != 0; }

/// The codes that may stand in a close frame (RFC 6455 section 7.4 and the registry it founded).
bool is_close_code(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

}  // namespace

//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-------+-+-------------+-------------------------------+
//  |F|R|R|R| opcode|M| length (7)  |  length, 16 or 64 bits, if    |
//  |I|S|S|S|  (4)  |A|             |  the 7 bits say 126 or 127    |
//  |N|V|V|V|       |S|             +-------------------------------+
//  | |1|2|3|       |K|             |  masking key, 32 bits, if MASK|
//  +-+-+-+-+-------+-+-------------+-------------------------------+
struct Decoder::FrameHead {
  std::uint64_t length = 0;
  MaskingKey key{};
  std::uint8_t opcode = 0;
  std::uint8_t reserved = 0;
  bool fin = false;
  bool masked = false;
  bool minimal_length = true;

  [[nodiscard]] bool compressed() const { return (reserved & kCompressed) != 0; }
};

/// What there is to remember between two feeds: allocated only while something has begun and is not complete.
struct Decoder::Partial {
  std::string message;  // of the data frames so far, unmasked; still deflated if `message_compressed`
  std::string control;  // of a control frame that has not come whole
  Utf8Validator utf8;
  FrameHead frame;              // the one whose payload is coming, if `inside_frame`
  std::uint64_t remaining = 0;  // of its payload
  std::size_t key_phase = 0;
  std::array<char, kFrameHeadBytesMax> head_bytes{};
  std::uint8_t head_size = 0;
  std::uint8_t message_opcode = 0;  // nonzero inside a fragmented message
  bool message_compressed = false;
  bool inside_frame = false;
  bool message_delivered = false;
  bool control_delivered = false;
};

void Decoder::PartialDeleter::operator()(Partial* partial) const { delete partial; }

Decoder::Partial& Decoder::partial() {
  if (!partial_) partial_.reset(new Partial);
  return *partial_;
}

std::size_t Decoder::buffered_bytes() const {
  return partial_ ? partial_->message.size() + partial_->control.size() + partial_->head_size : 0;
}

bool Decoder::inside_fragmented_message() const { return partial_ && partial_->message_opcode != 0; }

void Decoder::feed(std::span<char> bytes) {
  let_go_of_delivered();
  at_ = bytes.data();
  end_ = bytes.data() + bytes.size();
}

std::optional<Event> Decoder::next(Inflater* inflater) {
  let_go_of_delivered();
  while (!finished_) {
    std::optional<Event> event;
    if (partial_ && partial_->inside_frame) {
      if (available() == 0 && partial_->remaining != 0) return std::nullopt;
      event = piece_of_frame(inflater);
    } else {
      const std::optional<FrameHead> head = read_head();
      if (!head) return std::nullopt;
      if (const auto refused = check(*head, inflater != nullptr)) {
        finished_ = true;
        return *refused;
      }
      if (available() >= head->length) {
        event = whole_frame(*head, inflater);
      } else {
        Partial& p = partial();
        p.frame = *head;
        p.remaining = head->length;
        p.key_phase = 0;
        p.inside_frame = true;
      }
    }
    if (event) return event;
  }
  return std::nullopt;
}

std::optional<Decoder::FrameHead> Decoder::read_head() {
  // A head that came in pieces is put together in the partial state; the usual one is read where it lies.
  const bool in_pieces = partial_ && partial_->head_size > 0;
  if (!in_pieces && available() == 0) return std::nullopt;
  const auto size_of_head = [](const char* bytes) {
    const auto second = static_cast<std::uint8_t>(bytes[1]);
    const std::size_t length_bytes = (second & 0x7F) == 126 ? 2 : (second & 0x7F) == 127 ? 8 : 0;
    return 2 + length_bytes + ((second & 0x80) != 0 ? 4U : 0U);
  };
  const char* bytes = at_;
  if (in_pieces || available() < 2 || available() < size_of_head(at_)) {
    Partial& p = partial();
    while (p.head_size < 2 || p.head_size < size_of_head(p.head_bytes.data())) {
      if (at_ == end_) return std::nullopt;
      p.head_bytes[p.head_size++] = *at_++;
    }
    p.head_size = 0;
    bytes = p.head_bytes.data();
  } else {
    at_ += size_of_head(at_);
  }

  const auto byte = [bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  FrameHead head;
  head.fin = (byte(0) & 0x80) != 0;
  head.reserved = byte(0) & 0x70;
  head.opcode = byte(0) & 0x0F;
  head.masked = (byte(1) & 0x80) != 0;
  head.length = byte(1) & 0x7F;
  std::size_t at = 2;
  if (head.length >= 126) {
    const std::size_t length_bytes = head.length == 126 ? 2 : 8;
    head.length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) head.length = head.length << 8 | byte(at++);
    head.minimal_length = length_bytes == 2 ? head.length >= 126 : head.length > 0xFFFF;
  }
  if (head.masked)
    for (std::uint8_t& key_byte : head.key) key_byte = byte(at++);
  return head;
}

std::optional<Fault> Decoder::check(const FrameHead& head, bool may_be_compressed) const {
  const auto protocol_error = [](const char* what) { return Fault{kCloseProtocolError, what}; };
  const bool begins_message = head.opcode == kText || head.opcode == kBinary;
  const bool bit_is_right = head.reserved == 0 || (head.reserved == kCompressed && may_be_compressed && begins_message);
  if (!bit_is_right) return protocol_error("a reserved bit is set");
  if (head.masked != (role_ == Role::server))
    return protocol_error(head.masked ? "a masked frame from a server" : "an unmasked frame from a client");
  if (!head.minimal_length) return protocol_error("the length is not in its shortest form");
  switch (head.opcode) {
    case kContinuation:
      if (!inside_fragmented_message()) return protocol_error("a continuation without a beginning");
      break;
    case kText:
    case kBinary:
      if (inside_fragmented_message()) return protocol_error("a new message inside a fragmented one");
      break;
    case kClose:
    case kPing:
    case kPong:
      if (!head.fin) return protocol_error("a fragmented control frame");
      if (head.length > kControlBytesMax) return protocol_error("a control frame of more than 125 bytes");
      return std::nullopt;
    default:
      return protocol_error("an unknown opcode");
  }
  if (as_stream_) {
    if (head.opcode == kText) return Fault{kCloseUnsupported, "a text message"};
    if (head.length >> 63 != 0) return protocol_error("a length of 64 bits");
    return std::nullopt;
  }
  const bool compressed = begins_message ? head.compressed() : partial_->message_compressed;
  const std::uint64_t bytes_max = compressed ? deflated_bytes_max(message_bytes_max_) : message_bytes_max_;
  const std::uint64_t before = partial_ ? partial_->message.size() : 0;
  if (head.length > bytes_max || before + head.length > bytes_max) return Fault{kCloseTooBig, "the message is too big"};
  return std::nullopt;
}

std::optional<Event> Decoder::whole_frame(const FrameHead& head, Inflater* inflater) {
  const std::span<char> payload(at_, static_cast<std::size_t>(head.length));
  at_ += payload.size();
  if (head.masked) apply_mask(payload, head.key);
  const std::string_view data(payload.data(), payload.size());
  if (is_control(head.opcode)) return control_event(head.opcode, data);
  if (as_stream_) return piece_of_stream(head, data, head.fin);
  if (!head.fin || head.opcode == kContinuation) return add_to_message(head, data, head.fin, inflater);
  if (head.compressed()) return inflated_event(head.opcode, data, inflater);
  if (head.opcode == kText && !is_utf8(data)) return fault(kCloseInvalidPayload, "the text is not UTF-8");
  return data_event(head.opcode, data);
}

std::optional<Event> Decoder::piece_of_frame(Inflater* inflater) {
  Partial& p = *partial_;
  const std::span<char> piece(at_, static_cast<std::size_t>(std::min<std::uint64_t>(p.remaining, available())));
  at_ += piece.size();
  if (p.frame.masked) p.key_phase = apply_mask(piece, p.frame.key, p.key_phase);
  p.remaining -= piece.size();
  const std::string_view data(piece.data(), piece.size());
  const bool frame_ends = p.remaining == 0;
  if (frame_ends) p.inside_frame = false;

  if (as_stream_ && !is_control(p.frame.opcode)) return piece_of_stream(p.frame, data, frame_ends && p.frame.fin);
  if (!is_control(p.frame.opcode)) return add_to_message(p.frame, data, frame_ends && p.frame.fin, inflater);
  p.control.append(data);
  if (!frame_ends) return std::nullopt;
  p.control_delivered = true;
  return control_event(p.frame.opcode, p.control);
}

std::optional<Event> Decoder::piece_of_stream(const FrameHead& head, std::string_view data, bool last) {
  if (!last)
    partial().message_opcode = kBinary;
  else if (head.opcode == kContinuation || partial_)
    partial().message_opcode = 0;
  if (data.empty()) return std::nullopt;
  return data_event(kBinary, data);
}

std::optional<Event> Decoder::add_to_message(const FrameHead& head, std::string_view data, bool last,
                                             Inflater* inflater) {
  Partial& p = partial();
  if (head.opcode != kContinuation) {
    p.message_opcode = head.opcode;
    p.message_compressed = head.compressed();
  }
  p.message.append(data);
  if (p.message_opcode == kText && !p.message_compressed && (!p.utf8.feed(data) || (last && !p.utf8.complete())))
    return fault(kCloseInvalidPayload, "the text is not UTF-8");
  if (!last) return std::nullopt;
  const std::uint8_t opcode = std::exchange(p.message_opcode, std::uint8_t{0});
  p.message_delivered = true;
  return p.message_compressed ? inflated_event(opcode, p.message, inflater) : data_event(opcode, p.message);
}

Event Decoder::inflated_event(std::uint8_t opcode, std::string_view deflated, Inflater* inflater) {
  if (!inflater) return fault(kCloseProtocolError, "a compressed message that was not agreed on");
  const auto data = inflater->inflate(deflated, message_bytes_max_);
  // RFC 7692 leaves the code of a message that can't be inflated open. Its bytes are not what its type promises, which
  // is what 1007 says (RFC 6455 section 7.4.1).
  if (!data)
    return data.error() == InflateFault::too_big ? fault(kCloseTooBig, "the inflated message is too big")
                                                 : fault(kCloseInvalidPayload, "the message can't be inflated");
  if (opcode == kText && !is_utf8(*data)) return fault(kCloseInvalidPayload, "the text is not UTF-8");
  return data_event(opcode, *data);
}

Event Decoder::data_event(std::uint8_t opcode, std::string_view data) {
  return Message{opcode == kText ? Opcode::text : Opcode::binary, data};
}

Event Decoder::control_event(std::uint8_t opcode, std::string_view payload) {
  if (opcode == kPing) return Ping{payload};
  if (opcode == kPong) return Pong{payload};
  finished_ = true;
  if (payload.empty()) return Close{kCloseNoStatus, {}};
  if (payload.size() == 1) return fault(kCloseProtocolError, "a close frame of one byte");
  const auto code =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 | static_cast<std::uint8_t>(payload[1]));
  if (!is_close_code(code)) return fault(kCloseProtocolError, "a close code that must not be sent");
  if (!is_utf8(payload.substr(2))) return fault(kCloseInvalidPayload, "the close reason is not UTF-8");
  return Close{code, payload.substr(2)};
}

Fault Decoder::fault(std::uint16_t close_code, const char* what) {
  finished_ = true;
  return Fault{close_code, what};
}

void Decoder::let_go_of_delivered() {
  if (!partial_) return;
  Partial& p = *partial_;
  if (p.message_delivered) {
    p.message = {};
    p.utf8 = {};
    p.message_delivered = false;
  }
  if (p.control_delivered) {
    p.control = {};
    p.control_delivered = false;
  }
  if (!p.inside_frame && p.message_opcode == 0 && p.head_size == 0) partial_.reset();
}

}  // namespace famemely::websocket
