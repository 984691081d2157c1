#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/limit_counters.hpp"
#include "protocol/socketio/packet.hpp"

namespace famemely::socketio {

/// A packet that is whole; views are valid until the decoder's next call.
struct DecodedPacket {
  Packet packet;
  std::vector<std::string> attachments{};
};
/// Attachments are still due.
struct Incomplete {};
struct DecodeFault {
  const char* what;
  std::optional<Limit> limit{};  // that it breaks
};
using DecodeResult = std::variant<DecodedPacket, Incomplete, DecodeFault>;

/// Puts packets together from the messages of one connection, all its namespaces together: attachments follow their
/// packet with nothing in between. Between packets it is one empty pointer.
class Decoder {
 public:
  [[nodiscard]] DecodeResult on_text(std::string_view text);
  /// Packet and attachments together may be this large.
  [[nodiscard]] DecodeResult on_binary(std::string_view data, std::size_t bytes_max);

 private:
  struct Waiting {
    std::string text;
    std::vector<std::string> attachments;
    std::size_t due;
    std::size_t bytes;
  };

  std::unique_ptr<Waiting> waiting_;
};

}  // namespace famemely::socketio
