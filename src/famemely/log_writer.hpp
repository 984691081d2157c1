#pragma once

#include <memory>

#include "app/config.hpp"
#include "base/logger.hpp"
#include "famemely/log_line.hpp"

namespace famemely {

/// Writes to the program's log, or without one to standard error, what `LOG_LEVEL` lets through.
[[nodiscard]] std::shared_ptr<Logger> make_logger(LogWriter writer, const app::Config& config);

}  // namespace famemely
