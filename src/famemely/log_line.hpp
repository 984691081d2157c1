#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace famemely {

/// One line of the log: a fixed lower-case text such as `broker connected`, and what varies. The views are valid during
/// the call.
struct LogLine {
  enum class Level { debug, info, warn, error };

  Level level;
  std::string_view event;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
};

/// Called on any of the library's threads, also on two at once. It must return soon, must not throw, and must not call
/// the object whose log it writes.
using LogWriter = std::function<void(const LogLine&)>;

}  // namespace famemely
