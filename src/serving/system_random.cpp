#include "serving/system_random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace famemely::serving {

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
  for (std::uint8_t& byte : bytes) {
    if (used_ == sizeof block_) {
      // Up to 256 bytes are never cut short by a signal (getrandom(2)).
      if (::getrandom(block_, sizeof block_, 0) != static_cast<ssize_t>(sizeof block_))
        throw std::system_error(errno, std::generic_category(), "getrandom");
      used_ = 0;
    }
    byte = block_[used_];
    block_[used_++] = 0;  // what was handed out must not be found in a memory dump
  }
}

}  // namespace famemely::serving
