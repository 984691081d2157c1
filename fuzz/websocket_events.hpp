#pragma once

#include <string>
#include <variant>

#include "protocol/websocket/decoder.hpp"

namespace famemely::websocket {

/// What the decoder has told, as a text to compare.
inline std::string describe(const Event& event) {
  struct Describe {
    std::string operator()(const Message& m) const {
      return (m.opcode == Opcode::text ? "text" : "binary") + std::string(m.data);
    }
    std::string operator()(const Ping& p) const { return "ping" + std::string(p.data); }
    std::string operator()(const Pong& p) const { return "pong" + std::string(p.data); }
    std::string operator()(const Close& c) const { return "close" + std::to_string(c.code) + std::string(c.reason); }
    std::string operator()(const Fault& f) const { return "fault" + std::to_string(f.close_code); }
  };
  return std::visit(Describe{}, event);
}

}  // namespace famemely::websocket
