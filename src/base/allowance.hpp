#pragma once

#include <atomic>
#include <cstdint>

namespace famemely {

/// Something of which there may be so many, whichever threads take it.
class Allowance {
 public:
  /// False if as many as that are taken already.
  [[nodiscard]] bool take(std::uint32_t at_most) {
    std::uint32_t taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken >= at_most) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::uint32_t count = 1) { taken_.fetch_sub(count, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> taken_{0};
};

}  // namespace famemely
