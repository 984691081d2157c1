#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/http_message.hpp"

namespace famemely::engineio {

/// A TCP connection, numbered by whoever does the I/O; a number is never used again.
using ConnectionId = std::uint64_t;

/// Answer the request that this connection waits with. CORS headers are the caller's to add, here and below.
struct Respond {
  ConnectionId connection;
  HttpResponse response;
};
/// Send this 101; from now on the connection's bytes go to `on_websocket_bytes` and its writes come from `gather`.
struct AcceptUpgrade {
  ConnectionId connection;
  HttpResponse response;
};
/// There is something to `gather` for this WebSocket. Said once until `wrote` has emptied the queue.
struct WriteReady {
  ConnectionId connection;
};
/// Close this WebSocket's TCP connection now: everything that is to be written has been, or the peer is not worth
/// waiting for. `on_disconnected` need not be called after it.
struct CloseConnection {
  ConnectionId connection;
};
using IoEffect = std::variant<Respond, AcceptUpgrade, WriteReady, CloseConnection>;
using IoEffects = std::vector<IoEffect>;

/// One piece of a gathered write.
using Piece = std::string_view;

}  // namespace famemely::engineio
