#pragma once

#include "base/instant.hpp"

namespace famemely::serving {

/// Reads both clocks: the shells do it once for each batch of input.
[[nodiscard]] inline Now read_clocks() {
  return {std::chrono::steady_clock::now(),
          std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now())};
}

}  // namespace famemely::serving
