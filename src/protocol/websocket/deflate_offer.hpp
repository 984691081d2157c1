#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/http_message.hpp"

namespace famemely::websocket {

/// What a server takes of a client's offers of permessage-deflate (RFC 7692 section 7.1). Neither side ever keeps a
/// context between messages: the answer says so, whether it was asked or not.
struct DeflateAgreement {
  std::uint8_t server_window_bits = 15;
  bool window_asked = false;  // then the answer has to name it

  bool operator==(const DeflateAgreement&) const = default;
};

struct ExtensionsFault {};

/// The first of the offers in the Sec-WebSocket-Extensions fields that can be taken; nothing if there is none. An offer
/// with a parameter that is unknown, doubled or badly valued is declined; fields that break the grammar of RFC 6455
/// section 9.1 are a fault, which fails the handshake.
[[nodiscard]] std::expected<std::optional<DeflateAgreement>, ExtensionsFault> choose_deflate(const HttpFields& fields);

/// The value of Sec-WebSocket-Extensions that answers it.
[[nodiscard]] std::string deflate_answer(const DeflateAgreement& agreement);

}  // namespace famemely::websocket
