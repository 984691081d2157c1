#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/socketio/encoder.hpp"
#include "socketio/arguments.hpp"
#include "socketio/handshake.hpp"

namespace famemely::socketio {

/// A node is one worker with its sockets; its number is the owner that its sids carry.
using NodeId = std::uint8_t;
/// A question that other nodes answer, numbered by its asker.
using RequestNumber = std::uint32_t;

/// The sockets of a namespace that are in any of these rooms (without rooms: all) and in none of those.
struct Selection {
  std::string nsp;
  std::vector<std::string> rooms;
  std::vector<std::string> except;
};

/// An event, encoded once, however many sockets of however many nodes it goes to.
struct Broadcast {
  Selection to;
  Frame frame;
  bool is_volatile = false;
  /// Each recipient is to acknowledge with this number: its node answers `AcksExpected`, and one `AckGiven` for each.
  std::optional<RequestNumber> ack_id;
  NodeId origin = 0;
  Duration ack_timeout{};
};
struct RoomChange {
  Selection of;
  std::vector<std::string> rooms;
  bool join = true;
};
struct DisconnectSockets {
  Selection of;
  bool close = false;  // the whole connection
};
/// Answered by every node with `SocketsFetched`.
struct FetchSockets {
  Selection of;
  RequestNumber request = 0;
  NodeId asker = 0;
};
/// What one node's application tells the others'.
struct ServerEvent {
  std::string nsp;
  std::string name;
  Arguments args;
  NodeId origin = 0;
};

struct SocketsFetched {
  RequestNumber request = 0;
  std::vector<RemoteSocket> sockets;
};
struct AcksExpected {
  RequestNumber request = 0;
  std::vector<std::string> sids;
};
struct AckGiven {
  RequestNumber request = 0;
  std::string sid;
  std::optional<Arguments> answer;  // nothing if the socket has gone
};
/// The node has fallen so far behind that it has been told less than everything: it closes its connections, and their
/// clients come back.
struct Overrun {};

using NodeMessage = std::variant<Broadcast, RoomChange, DisconnectSockets, FetchSockets, ServerEvent, SocketsFetched,
                                 AcksExpected, AckGiven, Overrun>;

/// About the bytes that a message holds, for the bound of a queue.
[[nodiscard]] inline std::size_t weight(const NodeMessage& message) {
  constexpr std::size_t kOverhead = 256;
  if (const auto* broadcast = std::get_if<Broadcast>(&message)) return kOverhead + broadcast->frame.size();
  if (const auto* fetched = std::get_if<SocketsFetched>(&message)) return kOverhead * (1 + fetched->sockets.size());
  if (const auto* expected = std::get_if<AcksExpected>(&message)) return kOverhead + 48 * expected->sids.size();
  return kOverhead;
}

}  // namespace famemely::socketio
