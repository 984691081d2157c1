#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "base/instant.hpp"
#include "base/logger.hpp"

namespace famemely::app {

/// A logger whose level can be changed while it is in use, from any thread.
class AdjustableLogger : public Logger {
 public:
  virtual void set_level(LogLevel level) = 0;
};

/// Lines on standard error, each in one write. Colours only on a terminal.
[[nodiscard]] std::unique_ptr<AdjustableLogger> make_logger(LogFormat format, LogLevel level);

/// One line, without its end: `2025-10-10T10:00:00.000Z INFO  listening   address=127.0.0.1 port=3001`.
[[nodiscard]] std::string text_line(WallTime time, LogLevel level, std::string_view event,
                                    const std::vector<LogField>& fields, bool coloured);
/// One line, without its end: `{"time":"2025-10-10T10:00:00.000Z","level":"info","event":"listening",…}`.
[[nodiscard]] std::string json_line(WallTime time, LogLevel level, std::string_view event,
                                    const std::vector<LogField>& fields);

}  // namespace famemely::app
