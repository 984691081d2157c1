#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/instant.hpp"

namespace famemely::app {

/// What the process finds around itself, as an argument, so that tests can furnish it.
struct Surroundings {
  std::map<std::string, std::string> environment;
  /// Where `.env` and `.famemely-mqtt-dev-secret` are, and what relative file names are relative to.
  std::filesystem::path directory;
  std::string host_name;
  std::uint32_t cores = 1;
  bool stderr_is_terminal = false;
  WallTime now;
};

/// Reads those of this process.
[[nodiscard]] Surroundings this_process();

}  // namespace famemely::app
