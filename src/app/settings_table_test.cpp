#include "app/settings_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

std::optional<std::string> set(Config& config, std::string_view name, std::string_view value) {
  return find_setting(name)->set(config, value);
}

bool takes(std::string_view name, std::string_view value) {
  Config config = default_config();
  return !set(config, name, value);
}

TEST(SettingsTable, NamesEachSettingOnceAndSaysEverythingOfIt) {
  std::set<std::string> names;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_FALSE(setting.section.empty()) << setting.name;
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_FALSE(setting.allowed.empty()) << setting.name;
    EXPECT_TRUE(setting.set && setting.get) << setting.name;
  }
}

TEST(SettingsTable, HasEveryVariableOfTheDocumentedSurface) {
  for (std::string_view name : {"MQTT_HOST",
                                "MQTT_PORT",
                                "MQTT_PROTOCOL",
                                "MQTT_USERNAME",
                                "MQTT_PASSWORD",
                                "MQTT_URL",
                                "MQTT_VERSION",
                                "MQTT_CLIENT_ID",
                                "NODE_ID",
                                "MQTT_CA_FILE",
                                "MQTT_CERT_FILE",
                                "MQTT_KEY_FILE",
                                "MQTT_TLS_INSECURE",
                                "MQTT_TLS_ALPN",
                                "MQTT_WS_PATH",
                                "MQTT_WS_HEADERS",
                                "MQTT_FENCE_TOPIC",
                                "MQTT_SUBSCRIBE_BATCH",
                                "MQTT_KEEPALIVE",
                                "MQTT_CONNECT_TIMEOUT",
                                "MQTT_RECONNECT_MIN",
                                "MQTT_RECONNECT_MAX",
                                "HOST",
                                "PORT",
                                "SUPABASE_JWT_SECRET",
                                "SUPABASE_URL",
                                "SUPABASE_JWKS_URL",
                                "JWKS_MAX_STALE",
                                "JWT_AUDIENCE",
                                "JWT_LEEWAY",
                                "JWT_ROLE_CLAIMS",
                                "API_KEYS_FILE",
                                "CORS_ORIGINS",
                                "PERMISSIONS_FILE",
                                "FAMEMELY_DATABASE_URL",
                                "MAX_PAYLOAD",
                                "CLIENT_QUEUE",
                                "HTTP_COMPRESSION",
                                "WEBSOCKET_COMPRESSION",
                                "COMPRESSION_THRESHOLD",
                                "SERVE_CLIENT",
                                "ADMIN_UI",
                                "RECOVERY_WINDOW",
                                "RECOVERY_BYTES",
                                "RECOVERY_BYTES_TOTAL",
                                "LIMIT_SUBSCRIPTIONS_PER_SOCKET",
                                "LIMIT_CONNECTIONS",
                                "LIMIT_CONNECTIONS_PER_USER",
                                "LIMIT_CONNECTIONS_PER_ADDRESS",
                                "LIMIT_SUBSCRIPTIONS_PER_USER",
                                "LIMIT_PUBLISH_RATE_PER_USER",
                                "LIMIT_REQUEST_RATE_PER_ADDRESS",
                                "LIMIT_REFUSALS_PER_CONNECTION",
                                "LIMIT_TOPIC_BYTES",
                                "LIMIT_TOPIC_LEVELS",
                                "LIMIT_HEAD_BYTES",
                                "LIMIT_HEAD_FIELDS",
                                "HTTP_HEAD_TIMEOUT",
                                "HTTP_TRANSFER_TIMEOUT",
                                "HTTP_TRANSFER_RATE",
                                "HTTP_IDLE_TIMEOUT",
                                "SOCKETIO_CONNECT_TIMEOUT",
                                "SOCKETIO_PING_INTERVAL",
                                "SOCKETIO_PING_TIMEOUT",
                                "SOCKETIO_UPGRADE_TIMEOUT",
                                "WORKERS",
                                "LOG_LEVEL",
                                "LOG_FORMAT",
                                "TRUST_PROXY",
                                "TLS_CERT_FILE",
                                "TLS_KEY_FILE",
                                "METRICS_TOKEN",
                                "METRICS_PORT",
                                "SHUTDOWN_TIMEOUT"})
    EXPECT_NE(find_setting(name), nullptr) << name;
  EXPECT_EQ(settings().size(), 74U);
}

TEST(SettingsTable, TakesItsOwnDefaultsAndWritesThemBack) {
  const Config defaults = default_config();
  for (const Setting& setting : settings()) {
    if (setting.fallback.empty()) continue;
    Config config;
    EXPECT_FALSE(setting.set(config, setting.fallback)) << setting.name;
    EXPECT_EQ(setting.get(config), setting.fallback) << setting.name;
    EXPECT_EQ(setting.get(defaults), setting.fallback) << setting.name;
  }
}

TEST(SettingsTable, HasTheDocumentedDefaults) {
  const Config config = default_config();
  EXPECT_EQ(config.port, 3001);
  EXPECT_EQ(config.mqtt_version, BrokerVersion::automatic);
  EXPECT_EQ(config.mqtt_keepalive, 30s);
  EXPECT_EQ(config.mqtt_reconnect_min, 1s);
  EXPECT_EQ(config.mqtt_subscribe_batch, 100U);
  EXPECT_EQ(config.max_payload, 1'000'000U);
  EXPECT_EQ(config.client_queue, 4'000'000U);
  EXPECT_TRUE(config.http_compression);
  EXPECT_FALSE(config.websocket_compression);
  EXPECT_EQ(config.compression_threshold, 1'024U);
  EXPECT_EQ(config.recovery_window, 2min);
  EXPECT_EQ(config.recovery_bytes_total, 256'000'000U);
  EXPECT_EQ(config.jwt_audience, "authenticated");
  EXPECT_EQ(config.jwt_leeway, 10s);
  EXPECT_EQ(config.cors_origins.size(), 4U);
  EXPECT_EQ(config.limit_subscriptions_per_socket, 1000U);
  EXPECT_FALSE(config.limit_connections);
  EXPECT_EQ(config.jwks_max_stale, 24h);
  EXPECT_EQ(config.shutdown_timeout, 10s);
}

TEST(SettingsTable, WritesBackWhatItReads) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"MQTT_HOST", "broker"},
                                                        {"MQTT_PORT", "1884"},
                                                        {"MQTT_PROTOCOL", "wss"},
                                                        {"MQTT_VERSION", "3.1.1"},
                                                        {"MQTT_TLS_INSECURE", "true"},
                                                        {"MQTT_TLS_ALPN", "mqtt,x"},
                                                        {"MQTT_WS_PATH", "/a?b"},
                                                        {"MQTT_WS_HEADERS", "X-A: 1 | X-B: 2"},
                                                        {"MQTT_USERNAME", std::string(65'535, 'u')},
                                                        {"MQTT_PASSWORD", std::string(65'535, 'p')},
                                                        {"MQTT_CLIENT_ID", std::string(65'533, 'c')},
                                                        {"MQTT_CLIENT_ID", "gw+1/#"},
                                                        {"MQTT_FENCE_TOPIC", std::string(127, '/')},
                                                        {"MQTT_KEEPALIVE", "90s"},
                                                        {"HOST", "127.0.0.1,::1"},
                                                        {"PORT", "0"},
                                                        {"HOST", "*"},
                                                        {"CORS_ORIGINS", "*"},
                                                        {"MAX_PAYLOAD", "64KB"},
                                                        {"LIMIT_CONNECTIONS", "5"},
                                                        {"LIMIT_PUBLISH_RATE_PER_USER", "20/s"},
                                                        {"LOG_LEVEL", "debug"},
                                                        {"LOG_FORMAT", "json"},
                                                        {"METRICS_PORT", "9090"},
                                                        {"JWT_ROLE_CLAIMS", "role,a.b"}}) {
    Config config = default_config();
    EXPECT_FALSE(set(config, name, value)) << name;
    EXPECT_EQ(find_setting(name)->get(config), value) << name;
  }
}

TEST(SettingsTable, RefusesValuesOutOfBounds) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"MQTT_HOST", "mqtt://broker"},
                                                        {"MQTT_HOST", "broker:1883"},
                                                        {"MQTT_HOST", "\"broker\""},
                                                        {"MQTT_PORT", "0"},
                                                        {"MQTT_PORT", "65536"},
                                                        {"MQTT_PORT", "x"},
                                                        {"MQTT_PROTOCOL", "tcp"},
                                                        {"MQTT_VERSION", "4"},
                                                        {"MQTT_VERSION", "3.1"},
                                                        {"MQTT_TLS_INSECURE", "maybe"},
                                                        {"MQTT_WS_PATH", "mqtt"},
                                                        {"MQTT_WS_PATH", "/a b"},
                                                        {"MQTT_WS_HEADERS", "Host: x"},
                                                        {"MQTT_TLS_ALPN", ","},
                                                        {"MQTT_FENCE_TOPIC", "a/#"},
                                                        {"MQTT_FENCE_TOPIC", "a/+"},
                                                        {"MQTT_FENCE_TOPIC", "$share/g/x"},
                                                        {"MQTT_FENCE_TOPIC", std::string(128, '/')},
                                                        {"MQTT_FENCE_TOPIC", std::string(65'536, 'a')},
                                                        {"MQTT_USERNAME", std::string(65'536, 'u')},
                                                        {"MQTT_PASSWORD", std::string(65'536, 'p')},
                                                        {"MQTT_URL", "mqtt://" + std::string(65'536, 'u') + "@h"},
                                                        {"MQTT_CLIENT_ID", std::string(65'534, 'c')},
                                                        {"MQTT_SUBSCRIBE_BATCH", "0"},
                                                        {"MQTT_KEEPALIVE", "0"},
                                                        {"MQTT_KEEPALIVE", "65536s"},
                                                        {"MQTT_CONNECT_TIMEOUT", "0"},
                                                        {"MQTT_RECONNECT_MIN", "0"},
                                                        {"MQTT_RECONNECT_MAX", "2d"},
                                                        {"HOST", "my-machine"},
                                                        {"PORT", "65536"},
                                                        {"PORT", "-1"},
                                                        {"PORT", "3001 "},
                                                        {"SUPABASE_JWT_SECRET", std::string(31, 's')},
                                                        {"SUPABASE_URL", "p.supabase.co"},
                                                        {"SUPABASE_JWKS_URL", "ftp://x"},
                                                        {"JWT_LEEWAY", "-1"},
                                                        {"JWT_LEEWAY", "2h"},
                                                        {"JWT_ROLE_CLAIMS", "user_metadata.role"},
                                                        {"JWT_ROLE_CLAIMS", "a..b"},
                                                        {"CORS_ORIGINS", "https://a/"},
                                                        {"FAMEMELY_DATABASE_URL", "mysql://x"},
                                                        {"MAX_PAYLOAD", "1MiB"},
                                                        {"MAX_PAYLOAD", "999B"},
                                                        {"MAX_PAYLOAD", "257MB"},
                                                        {"CLIENT_QUEUE", "1KB"},
                                                        {"RECOVERY_WINDOW", "25h"},
                                                        {"RECOVERY_BYTES", "x"},
                                                        {"LIMIT_SUBSCRIPTIONS_PER_SOCKET", "0"},
                                                        {"LIMIT_SUBSCRIPTIONS_PER_SOCKET", "off"},
                                                        {"LIMIT_CONNECTIONS", "0"},
                                                        {"LIMIT_PUBLISH_RATE_PER_USER", "20"},
                                                        {"LIMIT_PUBLISH_RATE_PER_USER", "0/s"},
                                                        {"LIMIT_REQUEST_RATE_PER_ADDRESS", "20/m"},
                                                        {"WORKERS", "0"},
                                                        {"WORKERS", "64"},
                                                        {"LOG_LEVEL", "verbose"},
                                                        {"LOG_LEVEL", "INFO"},
                                                        {"LOG_FORMAT", "xml"},
                                                        {"METRICS_PORT", "0"},
                                                        {"MQTT_URL", "broker"}})
    EXPECT_FALSE(takes(name, value)) << name << "=" << value;
}

TEST(SettingsTable, ExplainsTheAddressThatKubernetesSets) {
  Config config;
  EXPECT_TRUE(set(config, "MQTT_PORT", "tcp://10.0.0.5:1883")->contains("Kubernetes"));
}

TEST(SettingsTable, NamesFlagsAndYamlKeysAfterTheVariable) {
  const Setting& setting = *find_setting("SUPABASE_JWT_SECRET");
  EXPECT_EQ(setting.flag(), "--supabase-jwt-secret");
  EXPECT_EQ(setting.yaml_key(), "supabase_jwt_secret");
  EXPECT_EQ(find_setting("supabase_jwt_secret"), nullptr);
}

TEST(SettingsTable, ShowsNoSecrets) {
  EXPECT_EQ(shown(*find_setting("MQTT_PASSWORD"), "hunter2"), "***");
  EXPECT_EQ(shown(*find_setting("MQTT_WS_HEADERS"), "Authorization: hunter2"), "***");
  EXPECT_EQ(shown(*find_setting("MQTT_WS_PATH"), "/mqtt?hunter2"), "/mqtt?***");
  EXPECT_EQ(shown(*find_setting("SUPABASE_JWT_SECRET"), "hunter2"), "***");
  EXPECT_EQ(shown(*find_setting("METRICS_TOKEN"), "hunter2"), "***");
  EXPECT_EQ(shown(*find_setting("MQTT_URL"), "mqtt://u:hunter2@h"), "mqtt://u:***@h");
  EXPECT_EQ(shown(*find_setting("FAMEMELY_DATABASE_URL"), "postgres://u:hunter2@h"), "postgres://u:***@h");
  EXPECT_EQ(shown(*find_setting("MQTT_HOST"), "h"), "h");
}

TEST(Config, KnowsWhenItListensOnLoopbackOnly) {
  Config config;
  EXPECT_FALSE(config.loopback_only());
  config.host = {"127.0.0.1", "::1", "127.8.8.8"};
  EXPECT_TRUE(config.loopback_only());
  config.host.emplace_back("10.0.0.1");
  EXPECT_FALSE(config.loopback_only());
}

TEST(SettingsTable, HidesThePasswordOfAUrlThatStandsInTheWrongPlace) {
  EXPECT_EQ(shown(*find_setting("MQTT_HOST"), "mqtt://u:hunter2@h"), "mqtt://u:***@h");
  EXPECT_EQ(shown(*find_setting("MQTT_HOST"), "u:hunter2@h"), "u:***@h");
  EXPECT_EQ(shown(*find_setting("SUPABASE_URL"), "https://h?apikey=hunter2"), "https://h?***");
  EXPECT_EQ(shown(*find_setting("MQTT_CLIENT_ID"), "a@b?c"), "a@b?c");
}

}  // namespace
}  // namespace famemely::app
