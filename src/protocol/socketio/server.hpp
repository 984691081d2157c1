#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "base/random_source.hpp"
#include "base/shared_bytes.hpp"
#include "protocol/engineio/server.hpp"
#include "protocol/engineio/sid.hpp"
#include "protocol/engineio/timer_wheel.hpp"
#include "protocol/socketio/decoder.hpp"
#include "protocol/socketio/effects.hpp"
#include "protocol/socketio/encoder.hpp"
#include "protocol/socketio/packed_handshake.hpp"
#include "protocol/socketio/service.hpp"
#include "protocol/socketio/traffic.hpp"

namespace famemely::socketio {

struct Options {
  std::string path = "/socket.io/";
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::chrono::milliseconds upgrade_timeout{10'000};
  /// A connection that has joined no namespace by then, or has left the last one so long ago, is closed.
  std::chrono::milliseconds connect_timeout{45'000};
  /// Attempts of a connection that may be refused in a row: CONNECT packets, and what `note_attempt` adds to them.
  std::uint32_t refusals_max = 10;
  /// The largest HTTP body and WebSocket message from a client: announced as `maxPayload`.
  std::uint32_t message_bytes_max = 1'000'000;
  /// What may be queued for one client.
  std::uint32_t client_queue_bytes_max = 4'000'000;
  bool polling = true;
  bool websocket = true;
  /// Polling answers of this size and above are gzip for clients that take it; nothing: none is.
  std::optional<std::uint32_t> http_compression_bytes_min = 1'024;
  /// WebSockets may agree on permessage-deflate, which messages of this size and above use; nothing: they may not.
  std::optional<std::uint32_t> websocket_compression_bytes_min{};
  /// Every other namespace is refused with `Invalid namespace`.
  std::vector<std::string> namespaces{"/"};
  /// Not so: the application is asked about every other one too, and refuses what it does not know.
  bool dynamic_namespaces = false;
  /// The index of the worker that this machine serves; sids carry it.
  std::uint8_t owner = 0;
  /// Asked before a connection is opened, and at each CONNECT but its first; none: as many may be as come.
  engineio::Admission* admission = nullptr;
  /// Where clients are counted that are closed for what they do, or do not.
  LimitCounters* limit_counters = nullptr;
};

/// How a client is let into a namespace.
struct Acceptance {
  /// The id of the session that it gets back; nothing makes a new one.
  std::optional<engineio::Sid> sid{};
  /// The private id by which it can ask for the session again; nothing: it can't.
  std::optional<engineio::Sid> pid{};
  /// What it has missed, in order; it does not count against the bound of the client's queue. It leaves before the
  /// client learns that it is in, as the official server does it, but after that if it is too much for one write: the
  /// official client does not note the offsets of what comes before, and would see it again if the connection broke in
  /// between.
  std::span<const Frame> missed{};
};

/// Numbers of acknowledgements from here on, below 2^31, are never given by `Server::next_ack_id`.
inline constexpr std::uint32_t kSharedAckIds = 0x40000000;

enum class EmitResult : std::uint8_t {
  queued,
  full,  // the client's queue has no room: count it as dropped, or close with `DisconnectReason::slow_consumer`
  gone,  // no such socket any more
};

/// A Socket.IO 4 server (Socket.IO protocol 5 over Engine.IO protocol 4) for the sessions of one worker, without I/O.
/// All calls are made by that worker.
///
/// A turn: any number of calls, then `end_of_turn` once. What the calls queue for clients leaves only then, as one
/// gathered write or one polling answer for each client: WebSockets get a WriteReady, waiting polls their Respond. If
/// `end_of_turn` brings effects for the application (QueueDrained), doing them is another turn.
/// Effects are to be done in their order; views handed to a call need not outlive it.
class Server final : public Transports {
 public:
  Server(const Options& options, RandomSource& random);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // --- the transport side: called by whoever does the I/O ---

  /// True for requests that are ours: the path with or without its last slash.
  [[nodiscard]] bool serves(std::string_view path) const override;
  /// The worker that made the sid in the request's query; nothing without a well-formed one. Hand the connection over
  /// to that worker before any of the calls below.
  [[nodiscard]] static std::optional<std::uint8_t> owner_of(const HttpRequest& request);

  /// A POST's head is here, its body not yet. False if it is answered already (a Respond is among the effects) and the
  /// body is not wanted: close the connection after the answer. Otherwise `on_request` follows, or
  /// `on_request_abandoned` when the caller has refused the body itself, or `on_disconnected`.
  [[nodiscard]] bool on_request_started(ConnectionId connection, const HttpRequest& head, Now now,
                                        Effects& effects) override;
  void on_request_abandoned(ConnectionId connection) override;
  /// A whole request that is no upgrade. Answered by one Respond, at once or (a poll) later; until then the connection
  /// must not be given another request. OPTIONS is the caller's.
  void on_request(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override;
  /// A request to upgrade to WebSocket: answered by AcceptUpgrade, or by a Respond that refuses.
  void on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) override;
  /// Bytes of an upgraded connection. They are unmasked in place.
  void on_websocket_bytes(ConnectionId connection, std::span<char> bytes, Now now, Effects& effects) override;
  /// The connection is gone: a WebSocket, or one with a request not answered yet. Harmless for any other.
  void on_disconnected(ConnectionId connection, Now now, Effects& effects) override;

  /// The next pieces to write to a WebSocket, as many as fit; returns how many there are. Gather, write
  /// and `wrote` are one step: the pieces are valid until the next call that changes anything.
  [[nodiscard]] std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) const override;
  /// So many bytes of what was gathered have been written. True if more is waiting: gather again, or when the
  /// connection can be written to again; no WriteReady will say so.
  bool wrote(ConnectionId connection, std::size_t bytes, Now now, Effects& effects) override;

  void on_timer(Now now, Effects& effects) override;
  /// When `on_timer` is due; kNever if nothing is. At most 10 ms late.
  [[nodiscard]] Instant next_deadline() const override;
  void end_of_turn(Now now, Effects& effects) override;

  // --- the application side ---

  void accept(SocketId socket, Now now, Effects& effects, const Acceptance& acceptance = {});
  /// CONNECT_ERROR. The connection stays for other attempts, as many as there may be in a row, until the connect
  /// timeout.
  void refuse(SocketId socket, std::string_view message, std::string_view data_json = {});

  /// For attempts by an event to be somebody (a CONNECT is looked after here): the refusal if the client's address has
  /// made too many requests.
  [[nodiscard]] std::optional<engineio::Admission::Refusal> refuse_attempt(SocketId socket, Instant now);
  /// What has become of it. One refusal too many in a row closes the connection, once what is queued is written.
  void note_attempt(SocketId socket, bool good, Now now, Effects& effects);

  /// Queues a frame, made for the socket's namespace. Neither allocates nor looks at the frame.
  EmitResult emit(SocketId socket, const Frame& frame);
  /// A number for `make_event_frame` that makes the client acknowledge; an AckReceived with it follows if the client
  /// does. Nothing if too many acknowledgements are due from this socket already, or it is gone.
  [[nodiscard]] std::optional<std::uint32_t> next_ack_id(SocketId socket);
  /// The same with a number of the caller's choice, of those from `kSharedAckIds` on: one frame can then ask many
  /// sockets. False if there are too many, or the socket is gone.
  [[nodiscard]] bool expect_ack(SocketId socket, std::uint32_t ack_id);
  /// This acknowledgement is not waited for any longer.
  void forget_ack(SocketId socket, std::uint32_t ack_id);
  /// The acknowledgement of an event that asked for it.
  EmitResult reply(SocketId socket, std::uint64_t ack_id, std::string_view args_json,
                   std::span<const std::string_view> attachments = {});
  /// A QueueDrained follows once everything that is queued has been written.
  void tell_when_drained(SocketId socket);

  /// Sends a DISCONNECT packet; the connection stays. JavaScript clients do not come back after it.
  void disconnect(SocketId socket, Now now, Effects& effects);
  /// Closes the whole connection of this socket, without a DISCONNECT packet, once what is queued is written:
  /// clients come back. A slow consumer loses its queue and gets close code 4008 over WebSocket.
  /// Every socket of the connection gets its SocketDisconnected.
  void close_transport(SocketId socket, DisconnectReason reason, Now now, Effects& effects);
  /// Closes every connection that is left, joined to a namespace or not.
  void close_all(DisconnectReason reason, Now now, Effects& effects);

  /// All sockets of this one's connection, itself among them; none if it is gone.
  [[nodiscard]] std::vector<SocketId> sockets_beside(SocketId socket) const;
  /// True while a message of this socket's connection has begun to arrive and is not whole.
  [[nodiscard]] bool is_receiving(SocketId socket) const;
  [[nodiscard]] std::size_t queued_bytes(SocketId socket) const;
  [[nodiscard]] std::optional<Transport> transport(SocketId socket) const;
  /// The id the client knows itself by; empty unless accepted.
  [[nodiscard]] std::string sid(SocketId socket) const;
  /// What the client's first request said; empty if the socket is gone.
  [[nodiscard]] HandshakeInfo handshake(SocketId socket) const;
  /// When the socket was accepted.
  [[nodiscard]] WallTime joined_at(SocketId socket) const;
  /// All sockets that are joined to a namespace.
  [[nodiscard]] std::vector<SocketId> sockets() const;
  /// Engine.IO sessions, joined to a namespace or not.
  [[nodiscard]] std::size_t connection_count() const { return engine_.session_count(); }
  /// Of those that are closed, how many have yet to be given the end of their queue, or to answer the goodbye.
  [[nodiscard]] std::size_t leaving_count() const { return engine_.leaving_count(); }
  /// Those of them that poll.
  [[nodiscard]] std::size_t polling_connection_count() const;
  [[nodiscard]] Traffic traffic() const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  enum class SocketState : std::uint8_t { free, pending, joined };

  struct Socket {
    engineio::SessionId session;
    std::uint32_t generation = 0;
    std::uint32_t next = kNone;  // of the same connection
    std::uint32_t last_ack_id = 0;
    std::uint16_t nsp = 0;
    SocketState state = SocketState::free;
    bool tell_when_drained = false;
    engineio::Sid sid;
    WallTime joined_at{};
    std::unique_ptr<std::vector<std::uint32_t>> acks_due;
  };

  /// What belongs to an Engine.IO session; at the session's slot.
  struct Client {
    std::uint32_t first_socket = kNone;
    std::uint32_t refusals = 0;  // in a row
    bool has_tried = false;      // to get in
    Decoder decoder;
    PackedHandshake handshake;
  };

  void drain(Now now, Effects& effects);
  void note_origin(const HttpRequest& request);
  void on_session_opened(const engineio::SessionOpened& opened, Now now);
  void on_message(const engineio::MessageReceived& message, Now now, Effects& effects);
  void on_packet(engineio::SessionId session, const Packet& packet, std::vector<std::string> attachments, Now now,
                 Effects& effects);
  void on_connect(engineio::SessionId session, const Packet& packet, std::uint32_t existing, Now now, Effects& effects);
  void on_drained(engineio::SessionId session, Effects& effects);
  void on_connect_timeout(std::uint32_t slot, Now now, Effects& effects);
  /// The socket ends, its connection stays: if it is in no namespace any more, until the connect timeout.
  void leave(std::uint32_t slot, DisconnectReason reason, Instant now, Effects& effects);
  [[nodiscard]] bool is_anywhere(std::uint32_t session_slot) const;
  [[nodiscard]] SocketDisconnected gone(std::uint32_t slot, DisconnectReason reason) const;
  /// Closes the session after having said goodbye to its sockets; a slow consumer with the code of its own.
  void close_session(engineio::SessionId session, DisconnectReason reason, Now now, Effects& effects,
                     std::uint16_t close_code = websocket::kCloseNoStatus);
  void drop_sockets(std::uint32_t session_slot, DisconnectReason reason, Effects& effects);
  [[nodiscard]] std::uint32_t find_socket(std::uint32_t session_slot, std::string_view nsp) const;
  /// The number of a namespace, known or new; nothing if it is not to be had.
  std::optional<std::uint16_t> intern(std::string_view nsp);
  std::uint32_t add_socket(engineio::SessionId session, std::uint16_t nsp);
  void free_socket(std::uint32_t slot);
  [[nodiscard]] const Socket* find(SocketId id) const;
  [[nodiscard]] Socket* find(SocketId id);
  [[nodiscard]] SocketId id_of(std::uint32_t slot) const { return {slot, sockets_[slot].generation}; }
  EmitResult send(const Socket& socket, const Frame& frame);

  RandomSource& random_;
  std::vector<std::string> namespaces_;
  const std::size_t static_namespaces_;
  const bool dynamic_namespaces_;
  std::vector<std::uint32_t> namespace_uses_;  // by number
  std::vector<std::uint16_t> free_namespaces_;
  std::unordered_map<std::string, std::uint16_t> dynamic_numbers_;
  std::chrono::milliseconds connect_timeout_;
  std::uint32_t refusals_max_;
  std::size_t message_bytes_max_;
  std::uint8_t owner_;
  engineio::Admission* admission_;
  LimitCounters* limit_counters_;
  engineio::Server engine_;
  std::deque<Client> clients_;
  std::deque<Socket> sockets_;
  std::vector<std::uint32_t> free_sockets_;
  engineio::TimerWheel connect_timeouts_;
  Traffic traffic_;  // but for the connections that were closed: they are the opened ones that are not there
};

}  // namespace famemely::socketio
