#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/http_message.hpp"

namespace famemely::websocket {

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
[[nodiscard]] std::string accept_value(std::string_view key);

/// True if the fields hold `Connection: upgrade` and `Upgrade: websocket`, which both sides say.
[[nodiscard]] bool wants_upgrade(const HttpFields& fields);
/// True if the request asks for WebSocket at all: GET with `Connection: upgrade` and `Upgrade: websocket`.
[[nodiscard]] bool wants_websocket(const HttpRequest& request);
/// What is wrong with the opening handshake (RFC 6455 section 4.2.1), or nothing.
[[nodiscard]] std::optional<std::string> check_upgrade(const HttpRequest& request);
/// The 101 that answers a request which `check_upgrade` has let pass.
[[nodiscard]] HttpResponse accept_upgrade(const HttpRequest& request);

}  // namespace famemely::websocket
