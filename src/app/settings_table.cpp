#include "app/settings_table.hpp"

#include <algorithm>

#include "app/mqtt_url.hpp"
#include "app/setting_kinds.hpp"
#include "app/setting_parsers.hpp"
#include "app/values.hpp"
#include "gateway/claim_path.hpp"
#include "gateway/ports.hpp"
#include "io/jwks_source.hpp"

namespace famemely::app {
namespace {

using namespace std::chrono_literals;
using Answer = std::optional<std::string>;

constexpr std::size_t kKilobyte = 1000;
constexpr std::size_t kMegabyte = 1000 * kKilobyte;
constexpr std::size_t kGigabyte = 1000 * kMegabyte;
/// The largest packet that MQTT can say the length of (MQTT 5 section 1.5.5), in round numbers.
constexpr std::size_t kPayloadMax = 256 * kMegabyte;

constexpr const char* kNoMetrics = "the metrics route is not available in this version; leave it unset";

Setting with_default(Setting setting, std::string fallback) {
  setting.fallback = std::move(fallback);
  return setting;
}

Setting with_default_words(Setting setting, std::string words) {
  setting.fallback_words = std::move(words);
  return setting;
}

Setting unavailable(Setting setting, const char* why) {
  setting.unavailable = why;
  return setting;
}

Setting secret(Setting setting) {
  setting.secrecy = Secrecy::secret;
  return setting;
}

/// A text that a parser has to like first.
template <typename Check>
Setting checked_text(std::string name, std::string Config::*member, std::string allowed, std::string help,
                     Check check) {
  Setting setting = text_setting(std::move(name), member, std::move(help));
  setting.allowed = std::move(allowed);
  setting.set = [member, check](Config& config, std::string_view text) -> Answer {
    if (!check(text)) return "";
    config.*member = text;
    return std::nullopt;
  };
  return setting;
}

/// A list that a parser makes of the text.
template <typename Parse>
Setting list_setting(std::string name, std::vector<std::string> Config::*member, std::string allowed, std::string help,
                     Parse parse) {
  Setting setting{.name = std::move(name), .section = {}, .kind = SettingKind::list, .help = std::move(help)};
  setting.allowed = std::move(allowed);
  setting.set = [member, parse](Config& config, std::string_view text) -> Answer {
    auto items = parse(text);
    if (!items) return items.error();
    config.*member = std::move(*items);
    return std::nullopt;
  };
  setting.get = [member](const Config& config) { return join_list(config.*member); };
  return setting;
}

Setting http_url_setting(std::string name, std::string Config::*member, std::string help) {
  Setting setting = text_setting(std::move(name), member, std::move(help));
  setting.kind = SettingKind::url;
  setting.allowed = "an http:// or https:// URL";
  setting.set = [member](Config& config, std::string_view text) -> Answer {
    auto url = parse_http_url(text);
    if (!url) return url.error();
    config.*member = std::move(*url);
    return std::nullopt;
  };
  return setting;
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

bool is_topic(std::string_view text) {
  constexpr std::size_t kTopicMax = 65535;  // MQTT 5 section 4.7.3
  return text.size() <= kTopicMax && text.find_first_of("+#") == text.npos;
}

std::vector<Setting> broker_settings() {
  return {
      checked_text("MQTT_HOST", &Config::mqtt_host,
                   "a host name or address without scheme and port (MQTT_URL takes a whole URL), or managed",
                   "Host of the broker. `managed` runs a mosquitto of our own as a child process on loopback.",
                   is_host),
      mqtt_port(),
      with_default(choice_setting<BrokerProtocol>("MQTT_PROTOCOL", &Config::mqtt_protocol,
                                                  {{"mqtt", BrokerProtocol::mqtt},
                                                   {"mqtts", BrokerProtocol::mqtts},
                                                   {"ws", BrokerProtocol::ws},
                                                   {"wss", BrokerProtocol::wss}},
                                                  "How to talk to the broker: plain, over TLS, over "
                                                  "WebSocket, over WebSocket and TLS."),
                   "mqtt"),
      text_setting("MQTT_USERNAME", &Config::mqtt_username, "User name at the broker."),
      secret(text_setting("MQTT_PASSWORD", &Config::mqtt_password, "Password at the broker.")),
      mqtt_url(),
      with_default(choice_setting<BrokerVersion>(
                       "MQTT_VERSION", &Config::mqtt_version,
                       {{"auto", BrokerVersion::automatic}, {"5", BrokerVersion::v5}, {"3.1.1", BrokerVersion::v3_1_1}},
                       "Version of MQTT. `auto` tries 5 and falls back to 3.1.1 if the broker refuses it."),
                   "auto"),
      with_default_words(text_setting("MQTT_CLIENT_ID", &Config::mqtt_client_id,
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
          checked_text("MQTT_FENCE_TOPIC", &Config::mqtt_fence_topic, "a topic without + and #",
                       "The gateway's own topic, on which it publishes to itself; clients have no rights "
                       "on it.",
                       is_topic),
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

/// No address in the list is all of them, which is written `*`.
Setting listen_addresses(Setting setting) {
  setting.get = [plain = setting.get](const Config& config) { return config.host.empty() ? "*" : plain(config); };
  return setting;
}

std::vector<Setting> server_settings() {
  return {
      with_default_words(
          listen_addresses(list_setting("HOST", &Config::host,
                                        "IP addresses separated by commas, localhost (127.0.0.1 and ::1), or * for all",
                                        "Addresses to listen on.", parse_listen_addresses)),
          "all addresses, IPv4 and IPv6; with `--dev` 127.0.0.1 and ::1"),
      with_default(port_setting("PORT", &Config::port, 0,
                                "Port to listen on. 0 picks a free one; the log line `listening` names it."),
                   "3001"),
      with_default_words(number_setting("WORKERS", &Config::workers, 1, gateway::kWorkersMax, "Event-loop threads."),
                         "number of cores"),
      with_default(list_setting("CORS_ORIGINS", &Config::cors_origins,
                                "exact origins such as https://app.example.com, separated by commas, or *",
                                "Web origins that may call, besides the gateway's own. `*` allows all, without "
                                "credentials. With `--dev` any loopback origin may.",
                                parse_origins),
                   "http://localhost:3000,http://localhost:5173,http://localhost:8081,http://localhost:19006"),
      with_default(
          size_setting("MAX_PAYLOAD", &Config::max_payload, kKilobyte, kPayloadMax,
                       "Largest HTTP body and Socket.IO message of a client, envelope included, and largest MQTT "
                       "payload from the broker; a larger one is dropped and counted."),
          "1MB"),
      with_default(
          size_setting("CLIENT_QUEUE", &Config::client_queue, 10 * kKilobyte, 4 * kGigabyte,
                       "What may wait for one slow client. Past it QoS 0 messages are dropped for that client, "
                       "and a message of QoS 1 or 2 closes its connection."),
          "4MB"),
      with_default(toggle_setting("HTTP_COMPRESSION", &Config::http_compression,
                                  "Whether answers to HTTP requests, those to Socket.IO's polling among them, are gzip "
                                  "for clients that take it."),
                   "true"),
      with_default(toggle_setting("WEBSOCKET_COMPRESSION", &Config::websocket_compression,
                                  "Whether WebSockets may agree on permessage-deflate, without context takeover."),
                   "false"),
      with_default(size_setting("COMPRESSION_THRESHOLD", &Config::compression_threshold, 0, kPayloadMax,
                                "HTTP bodies and WebSocket messages below this size are never compressed."),
                   "1024B"),
      with_default(toggle_setting("SERVE_CLIENT", &Config::serve_client,
                                  "Serve the official browser client: `/socket.io/socket.io.min.js` and its kin."),
                   "true"),
      toggle_setting(
          "ADMIN_UI", &Config::admin_ui,
          "Let administrators in by the namespace `/admin`, which the Admin UI of the Socket.IO project speaks: "
          "docs/admin_ui.md. Its origin must be in CORS_ORIGINS."),
      with_default(
          duration_setting("RECOVERY_WINDOW", &Config::recovery_window, 0s, 24h,
                           "How long a dropped Socket.IO connection can be recovered; 0 switches recovery off, "
                           "and events carry no offsets."),
          "2m"),
      with_default(size_setting("RECOVERY_BYTES", &Config::recovery_bytes, 0, 4 * kGigabyte,
                                "What one client may have missed; a session that outgrows it can't be recovered."),
                   "1MB"),
      with_default(size_setting("RECOVERY_BYTES_TOTAL", &Config::recovery_bytes_total, 0, 1000 * kGigabyte,
                                "Messages and sessions kept for recovery in all: half of it for live messages, "
                                "each once however many clients missed it."),
                   "256MB"),
      with_default(duration_setting("SHUTDOWN_TIMEOUT", &Config::shutdown_timeout, 0s, 1h,
                                    "How long what is in flight may take to finish after SIGTERM or SIGINT."),
                   "10s"),
      list_setting(
          "TRUST_PROXY", &Config::trust_proxy, "IP addresses and ranges such as 10.0.0.0/8, separated by commas",
          "Proxies whose `X-Forwarded-For` and `-Proto` say who the client is, for limits, logs and its own origin; "
          "those of anybody else are not looked at.",
          parse_address_ranges),
      file_setting(
          "TLS_CERT_FILE", &Config::tls_cert_file,
          "PEM file of the certificate to serve HTTPS and WSS with, and of those between it and its authority; read "
          "again on SIGHUP."),
      file_setting("TLS_KEY_FILE", &Config::tls_key_file,
                   "PEM file of that certificate's key, without a password; read again on SIGHUP."),
  };
}

Setting jwks_url() {
  Setting setting = text_setting(
      "SUPABASE_JWKS_URL", &Config::supabase_jwks_url,
      "Where the keys for RS256, ES256 and EdDSA tokens are: fetched every 10 minutes, or as often as the answer's "
      "`max-age` says, and when a token names an unknown key, at most once in 30 s. See docs/tokens.md.");
  setting.kind = SettingKind::url;
  setting.secrecy = Secrecy::password_inside;
  setting.allowed = "an https:// or file: URL, or http:// to this machine";
  setting.set = [](Config& config, std::string_view text) -> Answer {
    if (auto location = io::JwksLocation::parse(text); !location) return location.error();
    config.supabase_jwks_url = text;
    return std::nullopt;
  };
  setting.fallback_words = "`<SUPABASE_URL>/auth/v1/.well-known/jwks.json`";
  return setting;
}

Setting audience() {
  Setting setting = with_default(text_setting("JWT_AUDIENCE", &Config::jwt_audience,
                                              "The `aud` that tokens must name. Empty switches the check off."),
                                 "authenticated");
  setting.allowed = "a text, or empty";
  setting.empty_counts = true;
  return setting;
}

Setting role_claims() {
  Setting setting =
      with_default(text_setting("JWT_ROLE_CLAIMS", &Config::jwt_role_claims,
                                "Where a token's roles come from: claims that are texts or arrays of texts."),
                   "role,user_role,app_metadata.role,app_metadata.roles");
  setting.kind = SettingKind::list;
  setting.allowed = "names of claims separated by commas, with dots into objects";
  setting.set = [](Config& config, std::string_view text) -> Answer {
    if (auto claims = gateway::RoleClaims::parse(text); !claims) return claims.error();
    config.jwt_role_claims = join_list(split_list(text));
    return std::nullopt;
  };
  return setting;
}

std::vector<Setting> token_settings() {
  return {
      secret(checked_text("SUPABASE_JWT_SECRET", &Config::supabase_jwt_secret, "a secret of at least 32 bytes",
                          "Secret of HS256 tokens. The published defaults of local Supabase stacks are accepted only "
                          "while listening on loopback.",
                          [](std::string_view text) { return text.size() >= 32; })),
      http_url_setting("SUPABASE_URL", &Config::supabase_url,
                       "URL of the Supabase project: its signing keys verify RS256, ES256 and EdDSA tokens, and tokens "
                       "must have the "
                       "`iss` `<SUPABASE_URL>/auth/v1`."),
      jwks_url(),
      with_default(duration_setting("JWKS_MAX_STALE", &Config::jwks_max_stale, 0s, 365 * 24h,
                                    "How long the last keys serve while they can't be fetched again."),
                   "1d"),
      audience(),
      with_default(
          duration_setting("JWT_LEEWAY", &Config::jwt_leeway, 0s, 1h,
                           "How far the clocks of issuer and gateway may be apart, for `exp`, `nbf` and `iat`."),
          "10s"),
      role_claims(),
      file_setting("API_KEYS_FILE", &Config::api_keys_file,
                   "Keys for backends, a line each, as `famemely-mqtt key create` prints it. Read again when it "
                   "changes. See docs/tokens.md."),
      with_default_words(
          file_setting("PERMISSIONS_FILE", &Config::permissions_file,
                       "YAML file of who may publish and subscribe where (permissions.md). Read again when it changes, "
                       "and on SIGHUP."),
          "built-in policy"),
  };
}

Setting database_url() {
  Setting setting = checked_text("FAMEMELY_DATABASE_URL", &Config::famemely_database_url,
                                 "sqlite:PATH, sqlite::memory:, postgres://… or postgresql://…",
                                 "Where durable subscriptions are kept. In this version always in memory: they do not "
                                 "survive a restart.",
                                 is_database_url);
  setting.kind = SettingKind::url;
  setting.secrecy = Secrecy::password_inside;
  return with_default(std::move(setting), "sqlite:famemely.db");
}

std::vector<Setting> limit_settings() {
  return {
      database_url(),
      with_default(number_setting("LIMIT_SUBSCRIPTIONS_PER_SOCKET", &Config::limit_subscriptions_per_socket, 1,
                                  1'000'000, "Subscriptions of one Socket.IO connection; past it 429."),
                   "1000"),
      limit_setting("LIMIT_CONNECTIONS", &Config::limit_connections,
                    "TCP connections at once, and Socket.IO connections at once; past it 503."),
      limit_setting("LIMIT_CONNECTIONS_PER_USER", &Config::limit_connections_per_user,
                    "Socket.IO connections of one user at once; past it 429."),
      limit_setting(
          "LIMIT_CONNECTIONS_PER_ADDRESS", &Config::limit_connections_per_address,
          "TCP connections from one IP address at once, and Socket.IO connections; of IPv6 a /64 counts as one "
          "address. Past it 429."),
      limit_setting("LIMIT_SUBSCRIPTIONS_PER_USER", &Config::limit_subscriptions_per_user,
                    "Subscriptions of one user: those of all sockets, and those made by REST; past it 429."),
      rate_setting("LIMIT_PUBLISH_RATE_PER_USER", &Config::limit_publish_rate_per_user,
                   "Publishes of one user a second, by sockets and REST together, twice as many at once; past it 429."),
      rate_setting(
          "LIMIT_REQUEST_RATE_PER_ADDRESS", &Config::limit_request_rate_per_address,
          "HTTP requests from one IP address a second, twice as many at once, those of Socket.IO's polling among "
          "them; past it 429."),
  };
}

Setting metrics_port() {
  Setting setting{.name = "METRICS_PORT",
                  .section = {},
                  .kind = SettingKind::number,
                  .allowed = "a port, 1 to 65535",
                  .help = "Port of its own for `/metrics`, without a token."};
  setting.set = [](Config& config, std::string_view text) -> Answer {
    const auto value = parse_number(text);
    if (!value || *value == 0 || *value > 65535) return "";
    config.metrics_port = static_cast<std::uint16_t>(*value);
    return std::nullopt;
  };
  setting.get = [](const Config& config) { return config.metrics_port ? std::to_string(*config.metrics_port) : ""; };
  return unavailable(std::move(setting), kNoMetrics);
}

std::vector<Setting> log_settings() {
  return {
      with_default(choice_setting<LogLevel>("LOG_LEVEL", &Config::log_level,
                                            {{"trace", LogLevel::trace},
                                             {"debug", LogLevel::debug},
                                             {"info", LogLevel::info},
                                             {"warn", LogLevel::warn},
                                             {"error", LogLevel::error},
                                             {"off", LogLevel::off}},
                                            "The least important lines to log. Logs go to standard error."),
                   "info"),
      with_default_words(choice_setting<LogFormat>("LOG_FORMAT", &Config::log_format,
                                                   {{"text", LogFormat::text}, {"json", LogFormat::json}},
                                                   "Lines for people, or one JSON object a line."),
                         "`text` on a terminal, else `json`"),
      unavailable(secret(text_setting("METRICS_TOKEN", &Config::metrics_token, "Bearer token that opens `/metrics`.")),
                  kNoMetrics),
      metrics_port(),
  };
}

std::vector<Setting> make_table() {
  std::vector<Setting> table;
  const auto add = [&](const char* section, std::vector<Setting> rows) {
    for (Setting& row : rows) {
      row.section = section;
      table.push_back(std::move(row));
    }
  };
  add("Broker", broker_settings());
  add("Gateway", server_settings());
  add("Tokens and permissions", token_settings());
  add("Storage and limits", limit_settings());
  add("Logs and metrics", log_settings());
  return table;
}

}  // namespace

std::string Setting::flag() const {
  std::string text = "--" + yaml_key();
  std::ranges::replace(text, '_', '-');
  return text;
}

std::string Setting::yaml_key() const { return lower_case(name); }

const std::vector<Setting>& settings() {
  static const std::vector<Setting> table = make_table();
  return table;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(settings(), name, &Setting::name);
  return found == settings().end() ? nullptr : &*found;
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const Setting& setting : settings()) names.push_back(setting.name);
  return names;
}

Config default_config() {
  Config config;
  for (const Setting& setting : settings())
    if (!setting.fallback.empty()) setting.set(config, setting.fallback);
  return config;
}

std::string shown(const Setting& setting, std::string_view value) {
  switch (setting.secrecy) {
    case Secrecy::open:
      // A URL in the wrong place may have a password all the same.
      return value.find("://") == value.npos ? std::string(value) : hide_password(value);
    case Secrecy::password_inside:
      return hide_password(value);
    case Secrecy::secret:
      return "***";
  }
  return "***";
}

}  // namespace famemely::app
