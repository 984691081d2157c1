#pragma once

#include <functional>
#include <string>

#include "app/config.hpp"
#include "app/logging.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// Builds everything, in order, and serves until SIGTERM or SIGINT. Returns the exit status: 0 after a shutdown, 1 if
/// the server could not start. `read_log_level` is asked on SIGHUP. To be called on the main thread.
[[nodiscard]] int run(const Config& config, AdjustableLogger& logger,
                      const std::function<Result<LogLevel, std::string>()>& read_log_level);

}  // namespace famemely::app
