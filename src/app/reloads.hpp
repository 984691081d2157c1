#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/logger.hpp"

namespace famemely::app {

/// What is read again on SIGHUP: a list of named parts. A part that can't take what it finds keeps what it had, and the
/// others are read all the same. For the thread that handles signals.
class Reloads {
 public:
  /// Reads one thing again; says why not, if it keeps the old one.
  using Part = std::function<std::optional<std::string>()>;

  explicit Reloads(Logger& logger) : logger_(logger) {}

  /// `what` names it in the log: `permissions`.
  void add(std::string what, Part part) { parts_.push_back({std::move(what), std::move(part)}); }
  void run_all() const;
  /// Of one part, as when its file has changed. There must be such a part.
  void run(std::string_view what) const;

 private:
  struct Named {
    std::string what;
    Part part;
  };

  void run(const Named& named) const;

  Logger& logger_;
  std::vector<Named> parts_;
};

}  // namespace famemely::app
