#include "app/setting_sections.hpp"

#include <algorithm>
#include <utility>

#include "app/mqtt_url.hpp"
#include "app/setting_kinds.hpp"
#include "app/setting_parsers.hpp"
#include "app/values.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

using Answer = std::optional<std::string>;

/// What a field of CONNECT has room for (MQTT 5 section 1.5.4).
constexpr std::size_t kFieldBytesMax = 65'535;
/// Further connections have the client id and two characters more, as `-r`.
constexpr std::size_t kClientIdBytesMax = kFieldBytesMax - 2;

Setting field_setting(std::string name, std::string Config::*member, std::size_t bytes_max, std::string help) {
  return checked_text(std::move(name), member, "a text of at most " + std::to_string(bytes_max) + " bytes",
                      std::move(help), [bytes_max](std::string_view text) { return text.size() <= bytes_max; });
}

Setting mqtt_port() {
  Setting setting = port_setting("MQTT_PORT", &Config::mqtt_port, 1,
                                 "Port of the broker. For the managed broker: the port it listens on.");
  setting.fallback_words = "1883, 8883, 80 or 443, by protocol; a free one for the managed broker";
  setting.set = [plain = setting.set](Config& config, std::string_view text) -> Answer {
    if (text.starts_with("tcp://") || text.starts_with("udp://"))
      return "Kubernetes sets this variable to an address for every service named \"mqtt\"; rename that service, set "
             "enableServiceLinks: false in the pod, or pass --mqtt-port";
    return plain(config, text);
  };
  return setting;
}

Setting mqtt_url() {
  Setting setting{.name = "MQTT_URL",
                  .section = {},
                  .kind = SettingKind::url,
                  .help =
                      "One URL in place of MQTT_HOST, MQTT_PORT, MQTT_PROTOCOL, MQTT_USERNAME and MQTT_PASSWORD (and "
                      "MQTT_WS_PATH, if it has a path). User and password are percent-encoded."};
  setting.allowed = "a URL such as mqtt://user:password@host:1883";
  setting.secrecy = Secrecy::password_inside;
  setting.set = [](Config& config, std::string_view text) -> Answer {
    auto url = parse_mqtt_url(text);
    if (!url) return url.error();
    if (std::max(url->username.size(), url->password.size()) > kFieldBytesMax)
      return "user and password may have 65535 bytes each";
    config.mqtt_protocol = url->protocol;
    config.mqtt_host = std::move(url->host);
    config.mqtt_port = url->port.value_or(0);
    config.mqtt_username = std::move(url->username);
    config.mqtt_password = std::move(url->password);
    if (!url->path.empty()) config.mqtt_ws_path = std::move(url->path);
    return std::nullopt;
  };
  // The effective configuration has it in the variables that it replaces.
  setting.get = [](const Config&) { return std::string(); };
  return setting;
}

Setting tls_alpn() {
  Setting setting =
      list_setting("MQTT_TLS_ALPN", &Config::mqtt_tls_alpn, "names of protocols separated by commas, such as mqtt",
                   "Protocols to offer to the broker in the TLS handshake (ALPN), for brokers that share a port with "
                   "other services: `mqtt` is the registered name, AWS IoT Core wants `x-amzn-mqtt-ca`.",
                   parse_alpn);
  setting.fallback_words = "none are offered";
  return setting;
}

Setting ws_path() {
  Setting setting = checked_text(
      "MQTT_WS_PATH", &Config::mqtt_ws_path, "a path that begins with /, with or without a query, percent-encoded",
      "Path of the broker's WebSocket, and query, for the protocols ws and wss.", is_request_target);
  setting.secrecy = Secrecy::password_inside;
  return setting;
}

Setting ws_headers() {
  Setting setting = secret(
      text_setting("MQTT_WS_HEADERS", &Config::mqtt_ws_headers,
                   "Header fields for the request that opens the broker's WebSocket, for the protocols ws and wss: "
                   "`Authorization: Bearer abc | X-Tenant: 7`. A `|` inside a value is written `||`."));
  setting.allowed = "`Name: value`, several separated by |; none of the WebSocket handshake's own";
  setting.set = [](Config& config, std::string_view text) -> Answer {
    if (auto headers = parse_ws_headers(text); !headers) return headers.error();
    config.mqtt_ws_headers = text;
    return std::nullopt;
  };
  return setting;
}

/// It is subscribed to and published to.
bool is_fence_topic(std::string_view text) {
  const auto filter = mqtt::TopicFilter::parse(text);
  return filter && !filter->has_wildcard();
}

Setting mqtt_host() {
  Setting setting = checked_text(
      "MQTT_HOST", &Config::mqtt_host,
      "a host name or address without scheme and port (MQTT_URL takes a whole URL), or managed",
      "Host of the broker. `managed` runs a mosquitto of our own as a child process on loopback.", is_host);
  setting.secrecy = Secrecy::password_inside;  // of a URL in the wrong place
  return setting;
}

}  // namespace

std::vector<Setting> broker_settings() {
  return {
      mqtt_host(),
      mqtt_port(),
      with_default(choice_setting<BrokerProtocol>("MQTT_PROTOCOL", &Config::mqtt_protocol,
                                                  {{"mqtt", BrokerProtocol::mqtt},
                                                   {"mqtts", BrokerProtocol::mqtts},
                                                   {"ws", BrokerProtocol::ws},
                                                   {"wss", BrokerProtocol::wss}},
                                                  "How to talk to the broker: plain, over TLS, over "
                                                  "WebSocket, over WebSocket and TLS."),
                   "mqtt"),
      field_setting("MQTT_USERNAME", &Config::mqtt_username, kFieldBytesMax, "User name at the broker."),
      secret(field_setting("MQTT_PASSWORD", &Config::mqtt_password, kFieldBytesMax, "Password at the broker.")),
      mqtt_url(),
      with_default(choice_setting<BrokerVersion>(
                       "MQTT_VERSION", &Config::mqtt_version,
                       {{"auto", BrokerVersion::automatic}, {"5", BrokerVersion::v5}, {"3.1.1", BrokerVersion::v3_1_1}},
                       "Version of MQTT. `auto` tries 5 and falls back to 3.1.1 if the broker refuses it."),
                   "auto"),
      with_default_words(field_setting("MQTT_CLIENT_ID", &Config::mqtt_client_id, kClientIdBytesMax,
                                       "Client id at the broker. No two clients of a broker may share one."),
                         "`famemely_<unix ms>`, new at each start"),
      with_default_words(text_setting("NODE_ID", &Config::node_id, "Names this process among several."), "host name"),
      with_default_words(
          file_setting("MQTT_CA_FILE", &Config::mqtt_ca_file,
                       "PEM file of the authorities that may sign the broker's certificate, in place of the system's."),
          "the system's authorities"),
      file_setting("MQTT_CERT_FILE", &Config::mqtt_cert_file,
                   "PEM file of our certificate, and of those between it and its authority."),
      file_setting("MQTT_KEY_FILE", &Config::mqtt_key_file, "PEM file of our certificate's key, without a password."),
      toggle_setting("MQTT_TLS_INSECURE", &Config::mqtt_tls_insecure,
                     "Do not verify the broker's certificate and host name: whoever is on the way can read and change "
                     "everything. Logged as a warning at each start."),
      tls_alpn(),
      with_default(ws_path(), "/mqtt"),
      ws_headers(),
      with_default_words(
          checked_text("MQTT_FENCE_TOPIC", &Config::mqtt_fence_topic,
                       "a topic of at most 65535 bytes and 128 levels, without + and #, not $share/…",
                       "The gateway's own topic, on which it publishes to itself; clients have no rights "
                       "on it, and no two gateways of a broker may share one.",
                       is_fence_topic),
          "`$famemely/<client id>/fence`"),
      with_default(
          number_setting("MQTT_SUBSCRIBE_BATCH", &Config::mqtt_subscribe_batch, 1, 1000,
                         "Filters in one SUBSCRIBE at most, where several may share one; some brokers allow 8."),
          "100"),
      with_default(duration_setting("MQTT_KEEPALIVE", &Config::mqtt_keepalive, 1s, 65535s,
                                    "Longest silence on the connection to the broker; then we ping."),
                   "30s"),
      with_default(duration_setting("MQTT_CONNECT_TIMEOUT", &Config::mqtt_connect_timeout, 100ms, 10min,
                                    "How long a connection attempt may take, up to the broker's CONNACK."),
                   "30s"),
      with_default(duration_setting("MQTT_RECONNECT_MIN", &Config::mqtt_reconnect_min, 10ms, 1h,
                                    "First bound of the wait before a reconnect. The bound doubles with each attempt; "
                                    "the wait is random below it."),
                   "1s"),
      with_default(duration_setting("MQTT_RECONNECT_MAX", &Config::mqtt_reconnect_max, 10ms, 24h,
                                    "Last bound of the wait before a reconnect."),
                   "30s"),
  };
}

}  // namespace famemely::app
