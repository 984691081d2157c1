/// mqtt_simulator --seeds N [--from S]: runs N seeds, each twice if it fails, and says which failed.
/// mqtt_simulator --seed X: runs one, and prints all that happens in it.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "simulation.hpp"

using namespace famemely::mqtt::simulator;

namespace {

constexpr std::size_t kFailuresMax = 20;

int run_one(std::uint64_t seed) {
  const Outcome outcome = simulate(seed, true);
  std::printf("seed %llu: %s (%016llx)\n", static_cast<unsigned long long>(seed),
              outcome.violation ? ("VIOLATION: " + *outcome.violation).c_str() : "holds",
              static_cast<unsigned long long>(outcome.digest));
  return outcome.violation ? 1 : 0;
}

int run_many(std::uint64_t from, std::uint64_t count) {
  std::size_t failures = 0;
  std::size_t connections = 0;
  std::size_t messages = 0;
  std::uint64_t done = 0;
  for (std::uint64_t seed = from; done < count && failures < kFailuresMax; ++seed, ++done) {
    const Outcome outcome = simulate(seed, false);
    connections += outcome.connections;
    messages += outcome.messages;
    // The same seed is the same run, or no failure could be looked into.
    const bool replayed = seed % 100 != 0 || simulate(seed, false).digest == outcome.digest;
    if (!outcome.violation && replayed) continue;
    ++failures;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                outcome.violation ? outcome.violation->c_str() : "is not the same a second time");
    std::fflush(stdout);
  }
  std::printf("%llu seeds, %zu connections, %zu messages: %zu failed\n", static_cast<unsigned long long>(done),
              connections, messages, failures);
  if (failures > 0) std::printf("scripts/simulate --seed X shows one\n");
  return failures > 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    const std::uint64_t value = std::strtoull(arguments[i + 1], nullptr, 10);
    if (name == "--seed") return run_one(value);
    if (name == "--seeds") seeds = value;
    if (name == "--from") from = value;
  }
  if (seeds == 0) {
    std::fputs("usage: mqtt_simulator --seeds N [--from S] | --seed X\n", stderr);
    return 2;
  }
  return run_many(from, seeds);
}
