#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/engineio/effects.hpp"
#include "protocol/engineio/frame.hpp"

namespace famemely::engineio {

/// What waits to be sent to one client, in order. Its links live in a FramePool, so that an empty one is four numbers
/// and a push allocates nothing once the pool has grown.
struct Outbox {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::uint32_t head = kNone;
  std::uint32_t tail = kNone;
  std::uint32_t bytes = 0;         // not yet sent
  std::uint32_t front_offset = 0;  // bytes of the first frame that are sent already

  [[nodiscard]] bool empty() const { return head == kNone; }
};

/// The links of all outboxes of one worker.
class FramePool {
 public:
  void push(Outbox& outbox, const Frame& frame);
  /// The same ahead of all frames that have not begun to be sent.
  void push_ahead(Outbox& outbox, const Frame& frame);
  /// As many pieces as fit, from the first byte not sent; returns their number.
  [[nodiscard]] std::size_t gather(const Outbox& outbox, std::span<Piece> pieces) const;
  /// So many bytes have been sent.
  void consume(Outbox& outbox, std::size_t bytes);
  void clear(Outbox& outbox);
  /// Drops everything but a first frame that is partly written, which must be completed.
  void drop_unstarted(Outbox& outbox);
  /// Moves everything of `from` behind what is in `to`.
  void append(Outbox& to, Outbox& from);

  /// Links there are, used or not.
  [[nodiscard]] std::size_t capacity() const { return links_.size(); }

  /// Takes packets for one polling answer: at most this many, and no more bytes than that unless the first packet alone
  /// is larger. A frame of several packets stays together if it fits into an answer.
  void take_payload(Outbox& outbox, std::string& payload, std::size_t packets_max, std::size_t bytes_max);

 private:
  struct Link {
    SharedBytes bytes;
    std::uint32_t next = Outbox::kNone;
  };

  std::uint32_t new_link(const Frame& frame);
  void pop(Outbox& outbox);

  std::vector<Link> links_;
  std::uint32_t free_ = Outbox::kNone;
};

}  // namespace famemely::engineio
