#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "protocol/engineio/admission.hpp"
#include "protocol/engineio/effects.hpp"
#include "protocol/engineio/outbox.hpp"
#include "protocol/engineio/sid.hpp"
#include "protocol/websocket/decoder.hpp"

namespace famemely::engineio {

/// Stands where there is no connection; the caller's numbers never get there.
inline constexpr ConnectionId kNoConnection = std::numeric_limits<ConnectionId>::max();

/// What a session needs while it is polled, and no longer.
struct PollingState {
  ConnectionId poll = kNoConnection;   // the GET that waits for an answer
  ConnectionId post = kNoConnection;   // the POST whose body is on its way
  ConnectionId probe = kNoConnection;  // the WebSocket that wants to take over
  websocket::Decoder probe_decoder{websocket::Role::server, 0};
  Outbox probe_outbox;
  std::uint8_t probe_deflate_bits = 0;  // as the session's
  /// The probe has been answered: until the client sends `5`, every poll is answered at once (Engine.IO protocol 4,
  /// "Upgrade").
  bool probe_answered = false;
  bool probe_write_announced = false;
  bool poll_takes_gzip = false;
  /// What the last poll of a session that is closing is told.
  char last_packet = '1';
  /// What a WebSocket is told that takes over from a session that is closing.
  Frame close_frame;
};

enum class SessionPhase : std::uint8_t {
  free,
  open,
  closing,  // closed for the application; a poll is awaited that takes what is queued and the news
};

/// One Engine.IO session. There may be very many that do nothing, so it is small: polling and queue come and go.
struct Session {
  Session() = default;

  Sid sid;
  SessionPhase phase = SessionPhase::free;
  bool dirty : 1 = false;            // in the list of those to be flushed at the end of the turn
  bool write_announced : 1 = false;  // a WriteReady is out, or the writer waits for the socket
  bool ping_outstanding : 1 = false;
  bool deadline_extended : 1 = false;
  bool tell_when_drained : 1 = false;
  std::uint8_t deflate_bits : 4 = 0;  // the window of messages to its WebSocket, 9 to 15; 0: no permessage-deflate
  std::uint32_t generation = 0;
  std::uint32_t uncounted_bytes = 0;  // of the outbox, that its bound leaves out: at most
  Outbox outbox;
  std::unique_ptr<PollingState> polling;   // while that is the transport
  ConnectionId websocket = kNoConnection;  // while that is
  websocket::Decoder decoder{websocket::Role::server, 0};
  Admission::Place place;
};

}  // namespace famemely::engineio
