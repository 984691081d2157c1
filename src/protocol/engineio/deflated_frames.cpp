#include "protocol/engineio/deflated_frames.hpp"

#include <algorithm>
#include <utility>

#include "base/shared_bytes.hpp"
#include "protocol/websocket/encoder.hpp"

namespace famemely::engineio {
namespace {

constexpr std::size_t kScratchBytesMax = 65'536;

/// Calls `see` with each frame of WebSocket and its bytes.
template <typename See>
void walk(std::string_view bytes, See see) {
  while (!bytes.empty()) {
    const websocket::OwnFrame frame = websocket::first_own_frame(bytes);
    see(frame, bytes.substr(0, frame.frame_bytes));
    bytes.remove_prefix(frame.frame_bytes);
  }
}

bool is_message(const websocket::OwnFrame& frame) {
  return frame.opcode == websocket::Opcode::text || frame.opcode == websocket::Opcode::binary;
}

}  // namespace

bool DeflatedFrames::concerns(const Frame& frame) const {
  if (frame.size() < bytes_min_ || !frame.may_be_compressed()) return false;
  bool found = false;
  walk(frame.websocket_bytes(), [&](const websocket::OwnFrame& own, std::string_view) {
    found = found || (is_message(own) && own.payload.size() >= bytes_min_);
  });
  return found;
}

const Frame& DeflatedFrames::of(const Frame& frame, std::uint8_t window_bits) {
  if (frame.size() < bytes_min_) return frame;
  const char* const identity = frame.websocket_bytes().data();
  for (std::size_t i = 0; i < used_; ++i) {
    const Entry& entry = kept_[i];
    if (entry.plain.websocket_bytes().data() != identity || entry.window_bits != window_bits) continue;
    return frame.may_be_compressed() ? entry.deflated : frame;
  }
  if (!concerns(frame)) return frame;
  Entry& entry = kept_[next_];
  next_ = (next_ + 1) % kKept;
  used_ = std::min(used_ + 1, kKept);
  entry = {frame, deflate(frame, window_bits), window_bits};
  return entry.deflated;
}

Frame DeflatedFrames::deflate(const Frame& frame, std::uint8_t window_bits) {
  std::optional<Deflater>& deflater = deflaters_[static_cast<std::size_t>(window_bits - kDeflateWindowBitsMin)];
  if (!deflater) deflater.emplace(Deflater::Format::raw, window_bits);
  ++count_;
  std::string bytes;
  bool smaller = false;
  walk(frame.websocket_bytes(), [&](const websocket::OwnFrame& own, std::string_view own_bytes) {
    if (is_message(own) && own.payload.size() >= bytes_min_) {
      deflated_message_.clear();
      deflater->append_flushed(deflated_message_, own.payload);
      if (deflated_message_.size() < own.payload.size()) {
        websocket::append_deflated_message(bytes, own.opcode, deflated_message_);
        smaller = true;
        return;
      }
    }
    bytes.append(own_bytes);
  });
  if (deflated_message_.capacity() > kScratchBytesMax) deflated_message_ = {};
  return smaller ? Frame(SharedBytes(bytes)) : frame;
}

void DeflatedFrames::forget() {
  for (std::size_t i = 0; i < used_; ++i) kept_[i] = {};
  used_ = 0;
  next_ = 0;
}

}  // namespace famemely::engineio
