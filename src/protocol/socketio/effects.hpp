#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_text.hpp"
#include "protocol/engineio/effects.hpp"
#include "protocol/engineio/server.hpp"
#include "protocol/engineio/sid.hpp"

namespace famemely::socketio {

using engineio::AcceptUpgrade;
using engineio::CloseConnection;
using engineio::ConnectionId;
using engineio::Respond;
using engineio::Sid;
using engineio::WriteReady;

/// One client joined to a namespace, or about to be. A number of a slot is used again, a generation is not.
struct SocketId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const SocketId&) const = default;
};

using engineio::HandshakeInfo;
using engineio::Transport;
[[nodiscard]] std::string_view to_string(Transport transport);

/// Why a socket is gone, in the words of the official server (`to_string`).
enum class DisconnectReason : std::uint8_t {
  client_namespace_disconnect,
  server_namespace_disconnect,
  transport_close,
  transport_error,
  ping_timeout,
  parse_error,
  forced_close,
  server_shutting_down,
  slow_consumer,
  token_expired,
};
[[nodiscard]] std::string_view to_string(DisconnectReason reason);
/// False where one of the two sides wanted the socket to end, or the client sends garbage: such a session is not kept
/// for recovery.
[[nodiscard]] bool is_recoverable(DisconnectReason reason);

/// The client was connected before, and asks for its session and for what it has missed.
struct RecoveryRequest {
  engineio::Sid pid;   // the session's private id: only its client knows it
  std::string offset;  // of the last event that it has seen
};

/// A client asks to join a namespace: answer with `Server::accept` or `Server::refuse`, now or later. Unless it is
/// refused, exactly one SocketDisconnected follows, even if the answer has not been given by then. A client may send
/// events without waiting for the answer: they follow this effect in the order of arrival.
struct ConnectRequested {
  SocketId socket;
  std::string nsp;
  std::string auth_json;  // the CONNECT packet's payload, an object; empty if there was none
  HandshakeInfo handshake;
  Transport transport;
  std::optional<RecoveryRequest> recovery;
};

/// A CONNECT that was refused without asking: for the log, there is nothing to be done.
struct ConnectRefused {
  std::string remote_address;
  std::string message;
};

struct EventReceived {
  SocketId socket;
  std::string name;               // decoded; `42[1]` has the name `1`
  std::vector<std::string> args;  // the JSON text of each argument after the name, as sent
  std::vector<std::string> attachments;
  std::optional<std::uint64_t> ack_id;  // answer with `Server::reply`

  /// The bytes that this value of an argument stands for; nothing if it is no placeholder. Data of a plain event never
  /// is, whatever it looks like.
  [[nodiscard]] std::optional<std::string_view> attachment(const JsonView& value) const;
};

/// A client acknowledged an event of ours that asked for it.
struct AckReceived {
  SocketId socket;
  std::uint32_t ack_id;
  std::vector<std::string> args;
  std::vector<std::string> attachments;

  [[nodiscard]] std::optional<std::string_view> attachment(const JsonView& value) const;
};

struct SocketDisconnected {
  SocketId socket;
  DisconnectReason reason;
  // What the server has forgotten by now: what the client knew itself by, if it was accepted, and where it was.
  engineio::Sid sid;
  std::string remote_address;
};

/// The queue is empty after `Server::tell_when_drained`.
struct QueueDrained {
  SocketId socket;
};

using ApplicationEffect =
    std::variant<ConnectRequested, ConnectRefused, EventReceived, AckReceived, SocketDisconnected, QueueDrained>;

/// Owned by the caller, who empties it after having done what it says, and passes it again.
struct Effects {
  engineio::IoEffects for_io;
  std::vector<ApplicationEffect> for_application;

  void clear() {
    for_io.clear();
    for_application.clear();
  }
};

}  // namespace famemely::socketio
