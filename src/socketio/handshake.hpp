#pragma once

#include <any>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::socketio {

/// How a socket came.
struct Handshake {
  std::string auth_json;  // what the client passed as `auth`, an object; empty if nothing
  std::string authorization;
  std::string origin;
  std::string remote_address;
  WallTime issued{};
  Transport transport = Transport::polling;  // at first; see `Socket::transport`
};

/// A socket as other nodes see it.
struct RemoteSocket {
  std::string id;
  Handshake handshake;
  std::vector<std::string> rooms;
  /// A copy of the socket's data, made on its worker.
  std::any data;
};

}  // namespace famemely::socketio
