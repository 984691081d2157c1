#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace famemely::mqtt::simulator {

struct Outcome {
  std::optional<std::string> violation;
  std::uint64_t digest = 0;  // of every byte and event: equal seeds have equal ones
  std::size_t connections = 0;
  std::size_t messages = 0;  // of both directions
};

/// A session, a broker and the network between them, from one seed: until everything has come to rest, or an invariant
/// does not hold. `printing`: with a line for each event on the standard output.
[[nodiscard]] Outcome simulate(std::uint64_t seed, bool printing);

}  // namespace famemely::mqtt::simulator
