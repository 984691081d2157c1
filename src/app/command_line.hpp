#pragma once

#include <string>
#include <variant>
#include <vector>

#include "app/config.hpp"
#include "app/surroundings.hpp"
#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// Run the server. Each warning is worth a log line.
struct Serve {
  Config config;
  std::vector<std::string> warnings;
};

/// `--check-config`: the configuration is good; say so, and the warnings, on standard error and exit 0.
struct CheckConfig {
  std::vector<std::string> warnings;
};

/// `--help`, `--version`, `--print-config`, `token`, `key create`, `permissions check`: write the text to standard
/// output and exit with the status.
struct PrintText {
  std::string text;
  int exit_status = 0;
};

using Command = std::variant<Serve, CheckConfig, PrintText>;

/// For standard error; the process then exits with the status.
struct CommandError {
  std::string message;
  int exit_status = 2;

  bool operator==(const CommandError&) const = default;
};

/// Everything between `main` and the first open port: flags, environment, files, checks. `arguments` is without the
/// program's name. `--dev` and `token --dev` may create the secret's file, from `random`; nothing else is written.
[[nodiscard]] Result<Command, CommandError> parse_command_line(const std::vector<std::string>& arguments,
                                                               const Surroundings& around, RandomSource& random);

/// The log level, for SIGHUP: as `parse_command_line` would have it now. Files that settings name are not looked at:
/// what is wrong with one of them is not the log level's concern.
[[nodiscard]] Result<LogLevel, std::string> read_log_level(const std::vector<std::string>& arguments,
                                                           const Surroundings& around);

}  // namespace famemely::app
