#include "protocol/socketio/packet.hpp"

#include <algorithm>
#include <array>

#include "base/json_text.hpp"
#include "protocol/socketio/placeholder.hpp"

namespace famemely::socketio {
namespace {

/// Names that a client's program may not emit: they mean something of their own to the libraries.
constexpr std::array<std::string_view, 6> kReservedNames{"connect",       "connect_error", "disconnect",
                                                         "disconnecting", "newListener",   "removeListener"};

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// Takes the digits at the front; nothing if there are none or they say more than `max`.
std::optional<std::uint64_t> take_number(std::string_view& text, std::uint64_t max) {
  std::size_t size = 0;
  std::uint64_t value = 0;
  for (; size < text.size() && is_digit(text[size]); ++size) {
    const auto digit = static_cast<std::uint64_t>(text[size] - '0');
    if (value > (max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  if (size == 0) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

/// The first element of the checked text of an array, without building the others.
std::string_view first_element(std::string_view array) {
  const auto is_space = [](char letter) { return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r'; };
  std::size_t at = array.find('[') + 1;
  while (is_space(array[at])) ++at;
  if (array[at] != '"') {
    std::size_t end = array.find_first_of(",] \t\n\r", at);
    return array.substr(at, end - at);
  }
  std::size_t end = at + 1;
  for (; array[end] != '"'; ++end)
    if (array[end] == '\\') ++end;
  return array.substr(at, end + 1 - at);
}

bool is_event_name(std::string_view raw) {
  const auto name = JsonView::parse(raw);
  if (!name) return false;  // an object or array, cut off
  if (name->kind() == JsonKind::number) return true;
  const auto text = name->as_string();
  return text && std::ranges::find(kReservedNames, *text) == kReservedNames.end();
}

/// What the payload of each type may be (the official parser's `isPayloadValid`).
const char* check_payload(const Packet& packet, JsonKind kind) {
  switch (packet.type) {
    case PacketType::connect:
      return kind == JsonKind::object ? nullptr : "the payload of a CONNECT must be an object";
    case PacketType::disconnect:
      return "a DISCONNECT has no payload";
    case PacketType::connect_error:
      return kind == JsonKind::object || kind == JsonKind::string ? nullptr : "not a CONNECT_ERROR";
    case PacketType::event:
    case PacketType::binary_event:
      if (kind != JsonKind::array) return "the payload of an event must be an array";
      return is_event_name(first_element(packet.json)) ? nullptr : "an event must begin with its name";
    case PacketType::ack:
    case PacketType::binary_ack:
      return kind == JsonKind::array ? nullptr : "the payload of an acknowledgement must be an array";
  }
  return "an unknown type";
}

}  // namespace

Result<Packet, PacketFault> decode_packet(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '6') return failure(PacketFault{"an unknown type"});
  Packet packet{static_cast<PacketType>(text.front() - '0')};
  text.remove_prefix(1);

  if (packet.binary()) {
    const auto attachments = take_number(text, kAttachmentsMax);
    if (!attachments || *attachments == 0 || !text.starts_with('-'))
      return failure(PacketFault{"a bad number of attachments"});
    packet.attachments = static_cast<std::size_t>(*attachments);
    text.remove_prefix(1);
  }
  if (text.starts_with('/')) {
    const std::size_t comma = text.find(',');
    packet.nsp = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  if (!text.empty() && is_digit(text.front())) {
    packet.ack_id = take_number(text, kAckIdMax);
    if (!packet.ack_id) return failure(PacketFault{"too large an acknowledgement id"});
  }
  packet.json = text;
  if (text.empty()) {
    if (packet.binary()) return failure(PacketFault{"a binary packet without payload"});
    return packet;
  }
  const auto json = JsonView::parse(text);
  if (!json) return failure(PacketFault{"the payload is not JSON", json.error().too_deep});
  if (const char* what = check_payload(packet, json->kind())) return failure(PacketFault{what});
  if (packet.binary())
    for (const auto& placeholder : placeholders_in(text))
      if (!placeholder || *placeholder >= packet.attachments) return failure(PacketFault{"a placeholder out of range"});
  return packet;
}

}  // namespace famemely::socketio
