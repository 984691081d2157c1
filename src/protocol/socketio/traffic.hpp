#pragma once

#include <cstdint>

namespace famemely::socketio {

/// What has passed through a server since it was made. Packets are those that carry data: no heartbeats.
struct Traffic {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t packets_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_out = 0;  // as a WebSocket carries them, before compression

  void add(const Traffic& other) {
    connections_opened += other.connections_opened;
    connections_closed += other.connections_closed;
    packets_in += other.packets_in;
    bytes_in += other.bytes_in;
    packets_out += other.packets_out;
    bytes_out += other.bytes_out;
  }
};

}  // namespace famemely::socketio
