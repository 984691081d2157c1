#pragma once

#include "base/random_source.hpp"

namespace famemely::serving {

/// The operating system's CSPRNG, a block at a time. For one thread.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::uint8_t block_[256];
  std::size_t used_ = sizeof block_;
};

}  // namespace famemely::serving
