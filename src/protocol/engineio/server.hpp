#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/deflate.hpp"
#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "base/limit_counters.hpp"
#include "base/random_source.hpp"
#include "protocol/engineio/admission.hpp"
#include "protocol/engineio/deflated_frames.hpp"
#include "protocol/engineio/effects.hpp"
#include "protocol/engineio/frame.hpp"
#include "protocol/engineio/outbox.hpp"
#include "protocol/engineio/payload.hpp"
#include "protocol/engineio/session.hpp"
#include "protocol/engineio/slot_table.hpp"
#include "protocol/engineio/timer_wheel.hpp"

namespace famemely::engineio {

struct Options {
  std::string path = "/engine.io/";
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::chrono::milliseconds upgrade_timeout{10'000};
  /// What a closed connection is given to take the last bytes and say goodbye.
  std::chrono::milliseconds close_grace{3'000};
  std::uint32_t message_bytes_max = 1'000'000;
  std::uint32_t client_queue_bytes_max = 4'000'000;
  bool polling = true;
  bool websocket = true;
  /// Polling answers of this size and above are gzip for clients that take it; nothing: none is.
  std::optional<std::uint32_t> http_compression_bytes_min = 1'024;
  /// WebSockets may agree on permessage-deflate, which messages of this size and above use; nothing: they may not.
  std::optional<std::uint32_t> websocket_compression_bytes_min{};
  std::uint8_t owner = 0;
  /// Asked before a session is opened; none: as many may be as come.
  Admission* admission = nullptr;
  /// Where is counted what is too large or too late.
  LimitCounters* limit_counters = nullptr;
};

/// A session, checked by its generation: a slot is used again.
struct SessionId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const SessionId&) const = default;
};

enum class CloseReason : std::uint8_t { transport_close, transport_error, ping_timeout, parse_error, forced_close };

enum class SendResult : std::uint8_t { queued, full, gone };

enum class Transport : std::uint8_t { polling, websocket };

/// What becomes of the queue of a session that is closed.
enum class Queue : std::uint8_t { flush, drop };

/// What is kept of the request that opened a session.
struct HandshakeInfo {
  std::string authorization;  // the header's value, or empty
  std::string origin;         // HttpRequest::origin
  std::string remote_address;
};

struct SessionOpened {
  SessionId session;
  HandshakeInfo handshake;
};
/// Valid until the next call.
struct MessageReceived {
  SessionId session;
  bool binary;
  std::string_view data;
};
struct SessionClosed {
  SessionId session;
  CloseReason reason;
};
struct SessionDrained {
  SessionId session;
};
using Event = std::variant<SessionOpened, MessageReceived, SessionClosed, SessionDrained>;

/// The Engine.IO sessions of one worker (protocol 4), without I/O: handshake, long-polling, WebSocket, the upgrade
/// between them, heartbeats.
///
/// After every call that is given effects, call `next` until it has nothing more: it decodes what the call brought,
/// packet by packet, so that an answer to one may come before the next is looked at. What is queued leaves at
/// `end_of_turn`.
class Server {
 public:
  Server(Options options, RandomSource& random);

  [[nodiscard]] bool serves(std::string_view path) const;
  [[nodiscard]] static std::optional<std::uint8_t> owner_of(const HttpRequest& request);

  /// The calls of the transport side are those of socketio::Server, which says what they mean.
  [[nodiscard]] bool on_request_started(ConnectionId connection, const HttpRequest& head, Now now, IoEffects& io);
  void on_request_abandoned(ConnectionId connection);
  /// The session that a request is of, going by its sid.
  [[nodiscard]] std::optional<SessionId> session_of(const HttpRequest& request) const;
  /// The request must stay until `next` has nothing more.
  void on_request(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io);
  void on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io);
  /// So must the bytes.
  void on_websocket_bytes(ConnectionId connection, std::span<char> bytes);
  void on_disconnected(ConnectionId connection, Now now, IoEffects& io);
  [[nodiscard]] std::size_t gather(ConnectionId connection, std::span<Piece> pieces) const;
  bool wrote(ConnectionId connection, std::size_t bytes, IoEffects& io);
  void on_timer(Now now, IoEffects& io);
  [[nodiscard]] Instant next_deadline() const;
  void end_of_turn(Now now, IoEffects& io);

  [[nodiscard]] std::optional<Event> next(Now now, IoEffects& io);

  /// Queues a frame, if the client's queue has room for it.
  SendResult send(SessionId session, const Frame& frame);
  /// Queues one that must not be missed, room or not.
  void send_anyway(SessionId session, const Frame& frame);
  /// The same; and until the queue has drained below it, it does not count against the queue's bound.
  void send_uncounted(SessionId session, const Frame& frame);
  void tell_when_drained(SessionId session);
  /// Closes a session from this side. The code is for WebSockets; kCloseNoStatus makes an empty close frame.
  void close(SessionId session, CloseReason reason, Now now, Queue queue = Queue::flush,
             std::uint16_t close_code = websocket::kCloseNoStatus, std::string_view close_reason = {});

  [[nodiscard]] bool is_open(SessionId session) const;
  /// True if `send` would take a frame of so many bytes.
  [[nodiscard]] bool has_room(SessionId session, std::size_t bytes) const;
  /// True while a message, or a POST, has begun to arrive and is not whole.
  [[nodiscard]] bool is_receiving(SessionId session) const;
  [[nodiscard]] std::size_t queued_bytes(SessionId session) const;
  [[nodiscard]] Transport transport(SessionId session) const;
  [[nodiscard]] std::vector<SessionId> sessions() const;
  /// The session that has this slot now.
  [[nodiscard]] SessionId session_at(std::uint32_t slot) const { return id_of(slot); }
  [[nodiscard]] std::size_t session_count() const { return open_count_; }
  /// Closed sessions whose client has yet to take what is queued: as long as `close_grace` allows. WebSockets count
  /// until they have answered the close frame, or what was sent before it might be lost with the connection.
  [[nodiscard]] std::size_t leaving_count() const;
  /// Frames compressed for WebSockets so far: one each, however many took it.
  [[nodiscard]] std::uint64_t deflated_frames() const { return deflated_.count(); }

 private:
  enum class ErrorCode : std::uint8_t {
    transport_unknown,
    session_unknown,
    bad_handshake_method,
    bad_request,
    forbidden,
    unsupported_version,
  };

  /// A WebSocket that belongs to no session (any more): it is to take its last bytes, then to be closed.
  struct LeavingSocket {
    Outbox outbox;
    websocket::Decoder decoder;
    bool write_announced = false;
    bool peer_closed = false;
    Instant deadline{};
  };
  struct NoInput {};
  struct SocketInput {
    ConnectionId connection;
  };
  struct PostInput {
    ConnectionId connection;
    SessionId session;
    PayloadReader reader;
  };

  /// How a session ends; what does not concern its transport is not looked at.
  struct Ending {
    CloseReason reason;
    Queue queue = Queue::drop;
    Frame close_frame;         // WebSocket
    bool peer_closed = false;  // WebSocket: the peer's close frame is here
    char last_packet = '1';    // polling: for the poll that waits
    bool await_poll = false;   // polling: if none waits, keep that for the next
  };

  // server_http.cpp: what requests ask for
  [[nodiscard]] static HttpResponse error_response(ErrorCode code);
  [[nodiscard]] std::optional<ErrorCode> check(const HttpRequest& request) const;
  [[nodiscard]] std::optional<ErrorCode> check_for_upgrade(const HttpRequest& request) const;
  [[nodiscard]] std::optional<std::uint32_t> find_session(const HttpRequest& request) const;
  void handshake(ConnectionId connection, const HttpRequest& request, Now now, IoEffects& io);
  void on_poll(ConnectionId connection, std::uint32_t slot, const HttpRequest& request, Now now, IoEffects& io);
  void on_post(ConnectionId connection, std::uint32_t slot, const HttpRequest& request, Now now, IoEffects& io);
  /// False if another POST is on its way: then both this one and the session have been dealt with.
  bool claim_post(ConnectionId connection, std::uint32_t slot, Now now, IoEffects& io);
  [[nodiscard]] HttpResponse payload_response(std::string payload, bool takes_gzip);
  void answer_poll(std::uint32_t slot, Now now, IoEffects& io);
  std::optional<Event> next_of_post(Now now, IoEffects& io);

  // server_websocket.cpp: what WebSockets bring
  std::optional<Event> next_of_socket(Now now, IoEffects& io);
  void on_probe_event(std::uint32_t slot, const websocket::Event& event, Now now, IoEffects& io);
  std::optional<Event> on_socket_event(std::uint32_t slot, const websocket::Event& event, Now now);
  void switch_transport(std::uint32_t slot, Now now, IoEffects& io);
  void drop_probe(std::uint32_t slot, const Frame& close_frame, bool peer_closed, Now now);
  /// Sends a socket off with this close frame.
  void let_leave(ConnectionId connection, LeavingSocket leaving, const Frame& close_frame, Now now);
  /// The queue that is written to this socket, or nothing if there is no such socket.
  [[nodiscard]] const Outbox* outbox_of(ConnectionId connection) const;

  // server.cpp: sessions
  /// Nothing: there is no place, and the request has been answered.
  [[nodiscard]] std::optional<Admission::Place> admit(ConnectionId connection, const HttpRequest& request, Now now,
                                                      IoEffects& io);
  std::uint32_t open(const HttpRequest& request, Admission::Place place, Now now);
  [[nodiscard]] std::string open_packet(std::uint32_t slot) const;
  std::optional<Event> on_packet(std::uint32_t slot, const Packet& packet, Now now);
  void on_heartbeat_due(std::uint32_t slot, Instant deadline, Now now);
  void close_session(std::uint32_t slot, const Ending& ending, Now now);
  void free_session(std::uint32_t slot);
  /// Frees a polled session; the socket that wanted to take over goes too.
  void end_polling(std::uint32_t slot, Now now);
  void mark_dirty(std::uint32_t slot);
  /// The frame as the session's transport takes it.
  [[nodiscard]] const Frame& outgoing(std::uint32_t slot, const Frame& frame);
  void push(std::uint32_t slot, const Frame& outgoing);
  void tell_drained(std::uint32_t slot);
  [[nodiscard]] SessionId id_of(std::uint32_t slot) const { return {slot, sessions_[slot].generation}; }

  Options options_;
  RandomSource& random_;
  std::deque<Session> sessions_;
  std::vector<std::uint32_t> free_slots_;
  std::size_t open_count_ = 0;
  SlotTable by_sid_;
  SlotTable by_connection_;
  FramePool pool_;
  TimerWheel heartbeats_;
  TimerWheel upgrades_;
  std::vector<std::uint32_t> dirty_;
  std::unordered_map<ConnectionId, LeavingSocket> leaving_;
  std::vector<ConnectionId> dirty_leaving_;
  std::deque<std::pair<Instant, ConnectionId>> leaving_deadlines_;
  std::vector<Event> events_;
  std::size_t next_event_ = 0;
  std::variant<NoInput, SocketInput, PostInput> input_;
  // One of each for the worker, since no message remembers another: no memory of zlib belongs to a client.
  Inflater inflater_;
  Deflater gzip_{Deflater::Format::gzip};
  DeflatedFrames deflated_;
  std::string scratch_;  // base64 of a text message, decoded
  Frame ping_;
  Frame empty_close_;
};

}  // namespace famemely::engineio
