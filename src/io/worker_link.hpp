#pragma once

#include <cstdint>
#include <vector>

#include "gateway/application.hpp"
#include "io/link_port.hpp"
#include "serving/worker_loop.hpp"

namespace famemely::io {

/// What joins a worker's loop and the link: the link's events become part of the loop's turns, and at the end of each
/// the application's commands go to the link.
///
/// All functions are called on the loop's thread, or before it runs.
class WorkerLink {
 public:
  /// What the link brings is queued in portions of this size, each written before the next: so a client that keeps up
  /// never has more in its queue, however much comes at once.
  WorkerLink(std::size_t worker, std::size_t portion_bytes, serving::WorkerLoop& loop,
             gateway::Application& application);

  void set_port(LinkPort& port) { port_ = &port; }
  /// What the link has for this worker; the vector is emptied.
  void on_events(std::vector<gateway::WorkerEvent>& events);
  /// The link has room again for commands that it did not take.
  void on_room();

 private:
  void push_commands();

  const std::size_t worker_;
  const std::size_t portion_bytes_;
  serving::WorkerLoop& loop_;
  gateway::Application& application_;
  LinkPort* port_ = nullptr;
  bool full_ = false;
};

}  // namespace famemely::io
