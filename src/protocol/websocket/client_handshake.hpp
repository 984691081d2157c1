#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/http_message.hpp"
#include "base/random_source.hpp"

namespace famemely::websocket {

/// What a client asks a server for (RFC 6455 section 4.1).
struct UpgradeRequest {
  std::string host;         // with the port, if it is not the scheme's own
  std::string target;       // path and query
  std::string key;          // from `make_key`
  std::string subprotocol;  // empty: none
  HttpFields fields{};      // further ones, for which `may_be_added` holds
};

/// A fresh Sec-WebSocket-Key.
[[nodiscard]] std::string make_key(RandomSource& random);

/// True for a header field that a client may add to the request: its name is a token and none of the handshake's own.
[[nodiscard]] bool may_be_added(std::string_view field_name);

/// The request as it goes over the wire.
[[nodiscard]] std::string write_upgrade_request(const UpgradeRequest& request);

/// What is wrong with the head of the server's answer, or nothing. Begins with "the server". `phrase` is that of its
/// status line.
[[nodiscard]] std::optional<std::string> check_answer(const HttpResponse& answer, std::string_view phrase,
                                                      const UpgradeRequest& request);

}  // namespace famemely::websocket
