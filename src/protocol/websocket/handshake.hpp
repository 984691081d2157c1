#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/http_message.hpp"
#include "base/random_source.hpp"

namespace famemely::websocket {

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
[[nodiscard]] std::string accept_value(std::string_view key);

/// True if the request asks for WebSocket at all: GET with `Connection: upgrade` and `Upgrade: websocket`.
[[nodiscard]] bool wants_websocket(const HttpRequest& request);
/// What is wrong with the opening handshake (RFC 6455 section 4.2.1), or nothing.
[[nodiscard]] std::optional<std::string> check_upgrade(const HttpRequest& request);
/// The 101 that answers a request which `check_upgrade` has let pass.
[[nodiscard]] HttpResponse accept_upgrade(const HttpRequest& request);

/// A fresh Sec-WebSocket-Key for a client.
[[nodiscard]] std::string make_key(RandomSource& random);
/// What is wrong with the server's answer to that key (RFC 6455 section 4.1), or nothing.
[[nodiscard]] std::optional<std::string> check_accept(const HttpResponse& response, std::string_view key);

}  // namespace famemely::websocket
