#pragma once

#include <atomic>
#include <cstddef>
#include <string_view>
#include <utility>

namespace famemely {

/// Immutable bytes with a reference count, header and content in one allocation: what a message becomes once, to be
/// held by the queue of every socket it goes to. Copies may be made and dropped on any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(std::string_view content);
  SharedBytes(const SharedBytes& other) noexcept : block_(other.block_) { retain(); }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { release(); }

  [[nodiscard]] std::string_view view() const;
  [[nodiscard]] std::size_t size() const { return block_ ? block_->size : 0; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] explicit operator bool() const { return block_ != nullptr; }

 private:
  struct Block {
    std::atomic<std::size_t> references;
    std::size_t size;
  };

  void retain() noexcept {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (block_ && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(block_);
  }
  static void destroy(Block* block) noexcept;

  Block* block_ = nullptr;
};

}  // namespace famemely
