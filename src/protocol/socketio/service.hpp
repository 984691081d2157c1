#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::socketio {

/// What a server wants of whoever does its I/O; `socketio::Server` says what each call means, and may be used without
/// Socket.IO by a server of Engine.IO messages alone. All calls are made on the worker's thread; none blocks.
class Transports {
 public:
  virtual ~Transports() = default;

  /// True for requests that are this server's.
  [[nodiscard]] virtual bool serves(std::string_view path) const = 0;
  [[nodiscard]] virtual bool on_request_started(ConnectionId connection, const HttpRequest& head, Now now,
                                                Effects& effects) = 0;
  virtual void on_request_abandoned(ConnectionId connection) = 0;
  virtual void on_request(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) = 0;
  virtual void on_upgrade(ConnectionId connection, const HttpRequest& request, Now now, Effects& effects) = 0;
  virtual void on_websocket_bytes(ConnectionId connection, std::span<char> bytes, Now now, Effects& effects) = 0;
  virtual void on_disconnected(ConnectionId connection, Now now, Effects& effects) = 0;
  [[nodiscard]] virtual std::size_t gather(ConnectionId connection, std::span<engineio::Piece> pieces) const = 0;
  virtual bool wrote(ConnectionId connection, std::size_t bytes, Now now, Effects& effects) = 0;
  virtual void on_timer(Now now, Effects& effects) = 0;
  [[nodiscard]] virtual Instant next_deadline() const = 0;
  virtual void end_of_turn(Now now, Effects& effects) = 0;
};

/// One worker's brain, as its loop sees it: bytes, requests and time go in; what is to be done comes out as effects.
/// The loop knows nothing of events, the service nothing of descriptors.
class Service {
 public:
  virtual ~Service() = default;

  /// The loop feeds these itself.
  [[nodiscard]] virtual Transports& transports() = 0;
  /// Does what the server has told since the last call, and takes it out of the effects.
  virtual void process(Now now, Effects& effects) = 0;
  /// A request that is not for the transports. Answered by one Respond, now or later.
  virtual void on_request(ConnectionId connection, HttpRequest request, Now now, Effects& effects) = 0;
  /// The client went away before its answer came.
  virtual void on_request_abandoned(ConnectionId connection) = 0;
  /// Adds what every response carries, CORS for one.
  virtual void decorate(HttpResponse& response, const RequestSite& site) const = 0;
  /// The answer to a WebSocket handshake that is refused before the transports see it: browsers let any page open one,
  /// and leave it to the server to look at the page's origin.
  [[nodiscard]] virtual std::optional<HttpResponse> refuse_handshake(const RequestSite& site) const = 0;
  /// A client of that address gets this refusal, by whomever, before anybody has looked at who it is.
  virtual void on_turned_away(std::string_view remote_address, const HttpResponse& refusal, Now now) = 0;

  virtual void on_timer(Now now, Effects& effects) = 0;
  [[nodiscard]] virtual Instant next_deadline() const = 0;

  /// Tells every socket, and takes no new ones. What the clients had sent by then is still being read.
  virtual void begin_shutdown(Now now, Effects& effects) = 0;
  /// It has been read: closes the sockets' transports one by one until `done_by`, so that they reconnect elsewhere
  /// without a stampede, each when it has its answers.
  virtual void begin_closing(Now now, Instant done_by, Effects& effects) = 0;
  /// True once nothing is left to answer or to close.
  [[nodiscard]] virtual bool idle() const = 0;
};

}  // namespace famemely::socketio
