#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/deflate.hpp"
#include "protocol/engineio/frame.hpp"

namespace famemely::engineio {

/// Frames as they go to WebSockets that have agreed on permessage-deflate. A frame that is sent to many in a row is
/// compressed once: the last ones are kept beside what came of them, until they are forgotten. Each keeps the frame
/// itself too, so that its address can't become another's.
class DeflatedFrames {
 public:
  /// Messages smaller than this stay as they are.
  explicit DeflatedFrames(std::size_t bytes_min) : bytes_min_(bytes_min) {}

  /// The frame for a client that takes this window: the same one where compressing is not wanted or gains nothing.
  /// Valid until the next call.
  [[nodiscard]] const Frame& of(const Frame& frame, std::uint8_t window_bits);
  const Frame& of(const Frame&&, std::uint8_t) = delete;  // it may be the answer
  void forget();

  /// Frames that have been compressed so far.
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  /// Enough for a frame, its copy with another quality of service, and a few windows, in turns.
  static constexpr std::size_t kKept = 8;

  struct Entry {
    Frame plain;
    Frame deflated;
    std::uint8_t window_bits = 0;
  };

  [[nodiscard]] bool concerns(const Frame& frame) const;
  [[nodiscard]] Frame deflate(const Frame& frame, std::uint8_t window_bits);

  std::size_t bytes_min_;
  std::uint64_t count_ = 0;
  std::array<Entry, kKept> kept_;
  std::size_t used_ = 0;  // of them
  std::size_t next_ = 0;  // to be replaced
  std::array<std::optional<Deflater>, kDeflateWindowBitsMax - kDeflateWindowBitsMin + 1> deflaters_;
  std::string deflated_message_;
};

}  // namespace famemely::engineio
