#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>

#include "dice.hpp"
#include "traits.hpp"

namespace famemely::mqtt::simulator {

/// One direction of a connection. Bytes arrive in order, in any pieces, after any delay.
class Pipe {
 public:
  void write(std::string_view bytes, Instant now, const Traits& traits, Dice& dice) {
    while (!broken_ && !bytes.empty()) {
      const std::size_t piece =
          traits.piece_bytes_max == 0 ? bytes.size() : std::min(bytes.size(), dice.between(1, traits.piece_bytes_max));
      last_due_ = std::max(last_due_, now + dice.between(Duration::zero(), traits.latency_max));
      segments_.push_back({last_due_, std::string(bytes.substr(0, piece))});
      bytes.remove_prefix(piece);
    }
  }
  [[nodiscard]] Instant due() const { return segments_.empty() ? kNever : segments_.front().due; }
  [[nodiscard]] Instant last_due() const { return last_due_; }
  [[nodiscard]] std::string take() {
    std::string bytes = std::move(segments_.front().bytes);
    segments_.pop_front();
    return bytes;
  }
  /// Of what is under way, only the first so many bytes arrive, and nothing after them.
  void break_after(std::size_t bytes) {
    broken_ = true;
    for (std::size_t at = 0; at < segments_.size(); ++at) {
      std::string& segment = segments_[at].bytes;
      if (bytes < segment.size()) {
        segment.resize(bytes);
        segments_.resize(at + (bytes > 0 ? 1 : 0));
        return;
      }
      bytes -= segment.size();
    }
  }
  [[nodiscard]] std::size_t under_way() const {
    std::size_t bytes = 0;
    for (const Segment& segment : segments_) bytes += segment.bytes.size();
    return bytes;
  }

 private:
  struct Segment {
    Instant due;
    std::string bytes;
  };
  std::deque<Segment> segments_;
  Instant last_due_{};
  bool broken_ = false;
};

/// A connection. Each end learns for itself, and at its own time, that it is gone.
struct Link {
  std::size_t number = 0;
  Pipe up;    // to the broker
  Pipe down;  // to us
  bool client_open = true;
  bool broker_open = true;
  Instant client_told = kNever;  // when an end hears of the end of the other
  Instant broker_told = kNever;

  void close_by_client(Instant when) {
    client_open = false;
    broker_told = std::min(broker_told, std::max(when, up.last_due()));
  }
  void close_by_broker(Instant when) {
    broker_open = false;
    client_told = std::min(client_told, std::max(when, down.last_due()));
  }
};

}  // namespace famemely::mqtt::simulator
