#pragma once

#include <filesystem>
#include <string>

#include "base/random_source.hpp"
#include "base/result.hpp"

namespace famemely::app {

inline constexpr const char* kDevSecretFile = ".famemely-mqtt-dev-secret";

/// The secret of `--dev` in this directory, made on first use. The file comes into being whole, readable by its owner
/// alone; of several processes that start at once all use the same secret. Or why that can't be.
[[nodiscard]] Result<std::string, std::string> dev_secret(const std::filesystem::path& directory, RandomSource& random);

}  // namespace famemely::app
