#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "famemely/log_line.hpp"

namespace famemely {

/// Where the broker is and how to talk to it. Each member stands for the setting of the server that is named beside it,
/// with the same default and the same bounds (docs/configuration.md). Either `url` or `host` is needed.
struct MqttServiceOptions {
  std::string url{};                    // MQTT_URL: `mqtts://user:password@host:8883`
  std::string host{};                   // MQTT_HOST
  std::optional<std::uint16_t> port{};  // MQTT_PORT
  std::string protocol{};               // MQTT_PROTOCOL: `mqtt`, `mqtts`, `ws`, `wss`
  std::string username{};               // MQTT_USERNAME
  std::string password{};               // MQTT_PASSWORD
  std::string version{};                // MQTT_VERSION: `auto`, `5`, `3.1.1`
  /// MQTT_CLIENT_ID; empty: one that no other service has. Two programs with the same id throw each other out.
  std::string client_id{};
  std::optional<std::chrono::milliseconds> keepalive{};        // MQTT_KEEPALIVE
  std::optional<std::chrono::milliseconds> connect_timeout{};  // MQTT_CONNECT_TIMEOUT
  std::optional<std::chrono::milliseconds> reconnect_min{};    // MQTT_RECONNECT_MIN
  std::optional<std::chrono::milliseconds> reconnect_max{};    // MQTT_RECONNECT_MAX
  /// Any other setting by the name of its environment variable, as `{"MQTT_CA_FILE", "ca.pem"}`, `{"MAX_PAYLOAD",
  /// "4MB"}` or `{"LOG_LEVEL", "debug"}`. The environment itself is not read.
  std::map<std::string, std::string> settings{};
  /// Without it the log goes to standard error, in the server's form.
  LogWriter log{};
};

}  // namespace famemely
