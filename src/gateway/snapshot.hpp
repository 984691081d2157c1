#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace famemely::gateway {

/// A value that one thread replaces while others read it. Whoever reads gets the value of that moment, whole, and keeps
/// it as long as he likes; nobody waits longer than it takes to copy a pointer.
///
/// `std::atomic<std::shared_ptr>` would be the same, if that of GCC 12 gave its lock back with release order.
template <typename Value>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const Value> value) : value_(std::move(value)) {}

  [[nodiscard]] std::shared_ptr<const Value> load() const {
    const Hold hold(busy_);
    return value_;
  }
  void store(std::shared_ptr<const Value> value) {
    const Hold hold(busy_);
    value_.swap(value);  // the old one goes after the lock
  }

 private:
  class Hold {
   public:
    explicit Hold(std::atomic_flag& busy) : busy_(busy) {
      while (busy_.test_and_set(std::memory_order_acquire)) {
      }
    }
    ~Hold() { busy_.clear(std::memory_order_release); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    std::atomic_flag& busy_;
  };

  mutable std::atomic_flag busy_;
  std::shared_ptr<const Value> value_;
};

}  // namespace famemely::gateway
