#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/logger.hpp"

namespace famemely::app {

enum class BrokerProtocol { mqtt, mqtts, ws, wss };
enum class BrokerVersion { automatic, v3_1_1, v5 };
enum class LogFormat { text, json };

/// The `MQTT_HOST` that asks for a broker of our own.
inline constexpr const char* kManagedBroker = "managed";

/// Every setting, typed, with its effective value; the member of `MQTT_HOST` is `mqtt_host`, and so on. What each one
/// means, its default and its bounds stand in setting_sections_*.cpp. Empty texts are unset ones. `MQTT_URL` has no
/// member: its parts stand in those of the variables that it replaces.
struct Config {
  /// `--dev`: any loopback origin may call, and the start-up log has a token and a console link.
  bool dev = false;

  std::string mqtt_host;
  /// 0: a free port (managed broker only).
  std::uint16_t mqtt_port = 0;
  BrokerProtocol mqtt_protocol = BrokerProtocol::mqtt;
  std::string mqtt_username;
  std::string mqtt_password;
  BrokerVersion mqtt_version = BrokerVersion::automatic;
  /// Empty: made at the start, `famemely_<unix ms>`.
  std::string mqtt_client_id;
  std::string node_id;
  std::string mqtt_ca_file;
  std::string mqtt_cert_file;
  std::string mqtt_key_file;
  bool mqtt_tls_insecure = false;
  /// Empty: no ALPN.
  std::vector<std::string> mqtt_tls_alpn;
  /// Path and query.
  std::string mqtt_ws_path;
  /// Good for `parse_ws_headers`.
  std::string mqtt_ws_headers;
  /// Empty: `$famemely/<client id>/fence`.
  std::string mqtt_fence_topic;
  std::uint32_t mqtt_subscribe_batch = 0;
  std::chrono::milliseconds mqtt_keepalive{};
  std::chrono::milliseconds mqtt_connect_timeout{};
  std::chrono::milliseconds mqtt_reconnect_min{};
  std::chrono::milliseconds mqtt_reconnect_max{};

  /// IP addresses to listen on. Empty: all, `::` dual stack, or `0.0.0.0` where there is no IPv6.
  std::vector<std::string> host;
  /// 0: a free port.
  std::uint16_t port = 0;
  std::uint32_t workers = 0;
  std::size_t max_payload = 0;
  std::size_t client_queue = 0;
  bool http_compression = false;
  bool websocket_compression = false;
  std::size_t compression_threshold = 0;
  std::chrono::milliseconds recovery_window{};
  std::size_t recovery_bytes = 0;
  std::size_t recovery_bytes_total = 0;
  std::chrono::milliseconds shutdown_timeout{};
  /// Exact origins, or the single element `*`.
  std::vector<std::string> cors_origins;
  bool serve_client = false;
  bool admin_ui = false;
  /// Good for `serving::AddressRange::parse`.
  std::vector<std::string> trust_proxy;
  std::string tls_cert_file;
  std::string tls_key_file;

  std::string supabase_jwt_secret;
  std::string supabase_url;
  std::string supabase_jwks_url;
  std::chrono::milliseconds jwks_max_stale{};
  /// Empty: `aud` is not checked.
  std::string jwt_audience;
  std::chrono::milliseconds jwt_leeway{};
  /// Good for `gateway::RoleClaims::parse`.
  std::string jwt_role_claims;
  std::string api_keys_file;
  std::string permissions_file;

  std::string famemely_database_url;

  std::uint32_t limit_subscriptions_per_socket = 0;
  // Nothing: off. Rates are per second.
  std::optional<std::uint32_t> limit_connections;
  std::optional<std::uint32_t> limit_connections_per_user;
  std::optional<std::uint32_t> limit_connections_per_address;
  std::optional<std::uint32_t> limit_subscriptions_per_user;
  std::optional<std::uint32_t> limit_publish_rate_per_user;
  std::optional<std::uint32_t> limit_request_rate_per_address;
  std::uint32_t limit_refusals_per_connection = 0;
  std::uint32_t limit_topic_bytes = 0;
  std::uint32_t limit_topic_levels = 0;
  std::size_t limit_head_bytes = 0;
  std::uint32_t limit_head_fields = 0;
  std::chrono::milliseconds http_head_timeout{};
  std::chrono::milliseconds http_transfer_timeout{};
  /// Bytes a second.
  std::size_t http_transfer_rate = 0;
  std::chrono::milliseconds http_idle_timeout{};
  std::chrono::milliseconds socketio_connect_timeout{};
  std::chrono::milliseconds socketio_ping_interval{};
  std::chrono::milliseconds socketio_ping_timeout{};
  std::chrono::milliseconds socketio_upgrade_timeout{};

  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::string metrics_token;
  std::optional<std::uint16_t> metrics_port;

  [[nodiscard]] bool managed_broker() const { return mqtt_host == kManagedBroker; }
  [[nodiscard]] bool broker_tls() const {
    return mqtt_protocol == BrokerProtocol::mqtts || mqtt_protocol == BrokerProtocol::wss;
  }
  [[nodiscard]] bool broker_websocket() const {
    return mqtt_protocol == BrokerProtocol::ws || mqtt_protocol == BrokerProtocol::wss;
  }
  /// True if every address we listen on is a loopback one.
  [[nodiscard]] bool loopback_only() const;
  /// The `iss` that tokens must have: `<SUPABASE_URL>/auth/v1`; empty if that is unset.
  [[nodiscard]] std::string issuer() const;
  /// Where the JWKS is: `SUPABASE_JWKS_URL`, or that of the project `SUPABASE_URL`; empty if there is none.
  [[nodiscard]] std::string jwks_location() const;

  bool operator==(const Config&) const = default;
};

}  // namespace famemely::app
