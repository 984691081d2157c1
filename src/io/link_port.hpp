#pragma once

#include <vector>

#include "gateway/ports.hpp"

namespace famemely::io {

/// A worker's way to the link: a call where both share a loop, a mailbox where they don't.
class LinkPort {
 public:
  virtual ~LinkPort() = default;
  /// Takes all commands, or none and leaves them: false if the link is behind; `WorkerLink::on_room` then follows.
  virtual bool push(std::size_t worker, std::vector<gateway::LinkCommand>& commands) = 0;
};

}  // namespace famemely::io
