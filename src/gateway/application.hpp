#pragma once

#include <span>
#include <vector>

#include "gateway/ports.hpp"
#include "protocol/socketio/service.hpp"

namespace famemely::gateway {

/// One worker's brain, as its loop and the link see it: the service of its clients, and beside that link events in and
/// commands out. It knows nothing of descriptors.
class Application : public socketio::Service {
 public:
  /// What the link has for this worker, in its order; the events are used up.
  virtual void on_link_events(std::span<WorkerEvent> events, Now now, socketio::Effects& effects) = 0;
  /// What this worker wants of the link; emptied at the end of a turn.
  [[nodiscard]] virtual std::vector<LinkCommand>& commands() = 0;
  /// The link has no room for these commands: answers those that may fail, and leaves the others in the vector.
  virtual void on_link_full(std::vector<LinkCommand>& commands, Now now, socketio::Effects& effects) = 0;
};

}  // namespace famemely::gateway
