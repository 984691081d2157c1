#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "famemely/log_line.hpp"

namespace famemely {

struct GatewayOptions {
  /// By the names of the server's environment variables, with the same values and the same rules
  /// (docs/configuration.md), as `{"MQTT_URL", "mqtt://broker"}`, `{"PORT", "0"}`. The environment itself is not read,
  /// nor is a `.env`.
  std::map<std::string, std::string> settings{};
  /// Without it the log goes to standard error, in the server's form.
  LogWriter log{};
};

/// What keeps a gateway from being made or started: a sentence.
class GatewayError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The whole gateway inside a program: what `famemely-mqtt` is, without its command line, its signal handlers and its
/// limit of descriptors, which are the program's to set (`ulimit -n`). It runs on threads of its own. The functions are
/// called from one thread at a time.
class Gateway {
 public:
  /// Throws GatewayError if a setting is not allowed; the message has a line for each.
  explicit Gateway(GatewayOptions options);
  /// Stops.
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Listens, and begins to connect to the broker. Throws GatewayError if it can't listen, or can't start a managed
  /// broker. Does nothing if it runs.
  void start();
  /// Tells and closes all clients, as on SIGTERM, and waits for the end: SHUTDOWN_TIMEOUT at most. It may be started
  /// again.
  void stop();
  /// Where it listens, also if `PORT` left the choice to it; 0 if it does not run.
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct State;

  std::unique_ptr<State> state_;
};

}  // namespace famemely
