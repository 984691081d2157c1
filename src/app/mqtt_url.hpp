#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/config.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// What `MQTT_URL` says in place of five variables and `MQTT_WS_PATH`.
struct MqttUrl {
  BrokerProtocol protocol = BrokerProtocol::mqtt;
  std::string host;
  std::optional<std::uint16_t> port;
  std::string username;
  std::string password;
  /// With the query. Empty: none given. Else it begins with a slash; only of `ws` and `wss`.
  std::string path;

  bool operator==(const MqttUrl&) const = default;
};

/// `scheme://[user[:password]@]host[:port][/path][?query]`; user and password are percent-decoded, an IPv6 host loses
/// its brackets. The fault never repeats the URL, because a password may stand in it.
[[nodiscard]] Result<MqttUrl, std::string> parse_mqtt_url(std::string_view text);

/// `mqtt`, `mqtts`, `ws` or `wss`.
[[nodiscard]] std::optional<BrokerProtocol> parse_broker_protocol(std::string_view text);
[[nodiscard]] std::string_view format_broker_protocol(BrokerProtocol protocol);
/// 1883, 8883, 80, 443.
[[nodiscard]] std::uint16_t default_port(BrokerProtocol protocol);

/// True for what may stand in `MQTT_HOST`: a host name or an IP address, no port, no scheme, no brackets.
[[nodiscard]] bool is_host(std::string_view text);

}  // namespace famemely::app
