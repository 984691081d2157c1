#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/http_message.hpp"
#include "base/instant.hpp"
#include "gateway/ports.hpp"
#include "protocol/socketio/server.hpp"

namespace famemely::gateway {

/// One worker's brain, as its loop sees it: bytes, requests, link events and time go in; what is to be done comes out
/// as effects and commands. The loop knows nothing of topics, the application nothing of descriptors. All calls are
/// made on the worker's thread; none blocks.
class Application {
 public:
  virtual ~Application() = default;

  /// The loop feeds the transports of this server itself.
  [[nodiscard]] virtual socketio::Server& server() = 0;
  /// Does what the server has told since the last call, and takes it out of the effects.
  virtual void process(Now now, socketio::Effects& effects) = 0;
  /// A request that is not for the Socket.IO server. Answered by one Respond, now or later.
  virtual void on_request(socketio::ConnectionId connection, HttpRequest request, Now now,
                          socketio::Effects& effects) = 0;
  /// The client went away before its answer came.
  virtual void on_request_abandoned(socketio::ConnectionId connection) = 0;
  /// Adds what every response to such a request carries, CORS for one. `origin` and `host` are the request's headers.
  virtual void decorate(HttpResponse& response, std::string_view origin, std::string_view host) const = 0;

  /// What the link has for this worker, in its order; the events are used up.
  virtual void on_link_events(std::span<WorkerEvent> events, Now now, socketio::Effects& effects) = 0;
  /// What this worker wants of the link; the loop empties it at the end of a turn.
  [[nodiscard]] virtual std::vector<LinkCommand>& commands() = 0;
  /// The link has no room for these commands: answers those that may fail, and leaves the others in the vector.
  virtual void on_link_full(std::vector<LinkCommand>& commands, Now now, socketio::Effects& effects) = 0;

  virtual void on_timer(Now now, socketio::Effects& effects) = 0;
  [[nodiscard]] virtual Instant next_deadline() const = 0;

  /// Tells every socket, then closes their transports one by one until `done_by`, so that they reconnect elsewhere
  /// without a stampede.
  virtual void begin_shutdown(Now now, Instant done_by, socketio::Effects& effects) = 0;
  /// True once nothing is left to answer or to close.
  [[nodiscard]] virtual bool idle() const = 0;
};

}  // namespace famemely::gateway
