#pragma once

#include <stdexcept>
#include <string>

namespace famemely::mqtt::simulator {

/// An invariant does not hold: ends the run.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, const char* what) {
  if (!holds) throw Violation(what);
}
inline void require(bool holds, const char* what, std::size_t number) {
  if (!holds) throw Violation(std::string(what) + " " + std::to_string(number));
}

}  // namespace famemely::mqtt::simulator
