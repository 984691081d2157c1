#include "protocol/websocket/client_stream.hpp"

#include <algorithm>
#include <utility>

#include "protocol/websocket/encoder.hpp"

namespace famemely::websocket {
namespace {

MaskingKey fresh_key(RandomSource& random) {
  MaskingKey key;
  random.fill(key);
  return key;
}

/// The names of RFC 6455 section 7.4.1 and of the registry that it founded.
std::string_view name_of_close(std::uint16_t code) {
  switch (code) {
    case 1000:
      return "normal closure";
    case 1001:
      return "going away";
    case 1002:
      return "protocol error";
    case 1003:
      return "unsupported data";
    case 1007:
      return "invalid payload";
    case 1008:
      return "policy violation";
    case 1009:
      return "message too big";
    case 1010:
      return "extension missing";
    case 1011:
      return "internal error";
    case 1012:
      return "service restart";
    case 1013:
      return "try again later";
    case 1014:
      return "bad gateway";
    default:
      return "";
  }
}

std::string describe(const Close& close) {
  std::string text = "the broker closed the WebSocket";
  if (close.code == kCloseNoStatus) return text;
  text.append(" with ").append(std::to_string(close.code));
  if (const std::string_view name = name_of_close(close.code); !name.empty()) text.append(" ").append(name);
  if (!close.reason.empty()) text.append(": ").append(close.reason);
  return text;
}

}  // namespace

std::optional<std::string_view> ClientStream::next() {
  while (const auto event = decoder_.next()) {
    if (const auto* message = std::get_if<Message>(&*event)) return message->data;
    if (const auto* ping = std::get_if<Ping>(&*event)) pong_.emplace(ping->data);
    if (const auto* end = std::get_if<Close>(&*event)) {
      ended_ = describe(*end);
      close_code_ = end->code;
    }
    if (const auto* fault = std::get_if<Fault>(&*event)) {
      ended_ = std::string("the broker broke the WebSocket protocol: ") + fault->what;
      close_code_ = fault->close_code;
    }
  }
  return std::nullopt;
}

void ClientStream::send(std::string_view data, std::string& out) {
  if (close_sent_) return;
  for (std::size_t at = 0; at < data.size(); at += kFrameBytesMax)
    append_message(out, Opcode::binary, data.substr(at, kFrameBytesMax), fresh_key(random_));
}

void ClientStream::take_answers(std::string& out) {
  if (const auto pong = std::exchange(pong_, std::nullopt); pong && !close_sent_)
    append_pong(out, *pong, fresh_key(random_));
  if (ended_) close(out);
}

void ClientStream::close(std::string& out) {
  if (std::exchange(close_sent_, true)) return;
  append_close(out, close_code_, {}, fresh_key(random_));
}

}  // namespace famemely::websocket
