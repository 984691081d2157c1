#pragma once

#include <string>
#include <string_view>

#include "base/shared_bytes.hpp"
#include "protocol/engineio/server.hpp"

namespace famemely::socketio {

/// What is kept of a handshake, in one block of memory a connection instead of three.
class PackedHandshake {
 public:
  PackedHandshake() = default;
  explicit PackedHandshake(const engineio::HandshakeInfo& info)
      : lines_(info.authorization + '\n' + info.origin + '\n' + info.remote_address) {}

  [[nodiscard]] engineio::HandshakeInfo info() const {
    const std::string_view lines = lines_.view();
    const std::size_t first = lines.find('\n');
    const std::size_t second = lines.find('\n', first + 1);
    return {std::string(lines.substr(0, first)), std::string(lines.substr(first + 1, second - first - 1)),
            std::string(lines.substr(second + 1))};
  }
  [[nodiscard]] std::string_view remote_address() const {
    const std::string_view lines = lines_.view();
    return lines.substr(lines.rfind('\n') + 1);
  }

 private:
  SharedBytes lines_;  // header values and addresses hold no line feed, so lines keep them apart
};

}  // namespace famemely::socketio
