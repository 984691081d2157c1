#include "protocol/engineio/outbox.hpp"

#include <utility>

#include "base/shared_bytes.hpp"
#include "protocol/engineio/payload.hpp"

namespace famemely::engineio {

std::uint32_t FramePool::new_link(const Frame& frame) {
  const std::uint32_t index = free_;
  if (index == Outbox::kNone) {
    links_.push_back({frame.shared_bytes(), Outbox::kNone});
    return static_cast<std::uint32_t>(links_.size() - 1);
  }
  free_ = links_[index].next;
  links_[index] = {frame.shared_bytes(), Outbox::kNone};
  return index;
}

void FramePool::push(Outbox& outbox, const Frame& frame) {
  outbox.bytes += static_cast<std::uint32_t>(frame.size());
  const std::uint32_t index = new_link(frame);
  if (outbox.empty()) {
    outbox.head = index;
  } else {
    links_[outbox.tail].next = index;
  }
  outbox.tail = index;
}

void FramePool::push_ahead(Outbox& outbox, const Frame& frame) {
  if (outbox.empty()) {
    push(outbox, frame);
    return;
  }
  outbox.bytes += static_cast<std::uint32_t>(frame.size());
  const std::uint32_t index = new_link(frame);
  std::uint32_t& before = outbox.front_offset == 0 ? outbox.head : links_[outbox.head].next;
  links_[index].next = std::exchange(before, index);
  if (links_[index].next == Outbox::kNone) outbox.tail = index;
}

void FramePool::pop(Outbox& outbox) {
  const std::uint32_t index = outbox.head;
  Link& link = links_[index];
  outbox.head = link.next;
  if (outbox.head == Outbox::kNone) outbox.tail = Outbox::kNone;
  outbox.front_offset = 0;
  link.bytes = {};
  link.next = free_;
  free_ = index;
}

std::size_t FramePool::gather(const Outbox& outbox, std::span<Piece> pieces) const {
  std::size_t count = 0;
  std::size_t offset = outbox.front_offset;
  for (std::uint32_t index = outbox.head; index != Outbox::kNone && count < pieces.size(); index = links_[index].next) {
    pieces[count++] = links_[index].bytes.view().substr(offset);
    offset = 0;
  }
  return count;
}

void FramePool::consume(Outbox& outbox, std::size_t bytes) {
  outbox.bytes -= static_cast<std::uint32_t>(bytes);
  while (bytes > 0) {
    const std::size_t left = links_[outbox.head].bytes.size() - outbox.front_offset;
    if (bytes < left) {
      outbox.front_offset += static_cast<std::uint32_t>(bytes);
      return;
    }
    bytes -= left;
    pop(outbox);
  }
}

void FramePool::clear(Outbox& outbox) {
  while (!outbox.empty()) pop(outbox);
  outbox.bytes = 0;
}

void FramePool::drop_unstarted(Outbox& outbox) {
  if (outbox.front_offset == 0) {
    clear(outbox);
    return;
  }
  Outbox rest{links_[outbox.head].next, outbox.tail, 0, 0};
  links_[outbox.head].next = Outbox::kNone;
  outbox.tail = outbox.head;
  outbox.bytes = static_cast<std::uint32_t>(links_[outbox.head].bytes.size() - outbox.front_offset);
  clear(rest);
}

void FramePool::append(Outbox& to, Outbox& from) {
  if (from.empty()) return;
  if (from.front_offset > 0) {
    // Only the first frame of a queue can be partly sent: what is left of this one becomes a frame of its own.
    Link& link = links_[from.head];
    link.bytes = SharedBytes(link.bytes.view().substr(from.front_offset));
  }
  if (to.empty()) {
    to.head = from.head;
  } else {
    links_[to.tail].next = from.head;
  }
  to.tail = from.tail;
  to.bytes += from.bytes;
  from = {};
}

void FramePool::take_payload(Outbox& outbox, std::string& payload, std::size_t packets_max, std::size_t bytes_max) {
  std::size_t packets = 0;
  const auto fits = [&](std::string_view frames) {
    std::size_t more_packets = 0;
    std::size_t more_bytes = 0;
    while (!frames.empty()) {
      const websocket::OwnFrame frame = websocket::first_own_frame(frames);
      more_bytes += 1 + payload_bytes(frame);
      ++more_packets;
      frames.remove_prefix(frame.frame_bytes);
    }
    return packets + more_packets <= packets_max && payload.size() + more_bytes <= bytes_max;
  };
  while (!outbox.empty()) {
    const std::string_view frames = links_[outbox.head].bytes.view().substr(outbox.front_offset);
    const bool together = fits(frames);
    if (packets > 0 && !together) return;
    const websocket::OwnFrame frame = websocket::first_own_frame(frames);
    if (packets > 0) payload.push_back(kSeparator);
    append_packet(payload, frame);
    ++packets;
    consume(outbox, frame.frame_bytes);
  }
}

}  // namespace famemely::engineio
