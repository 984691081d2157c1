#include "app/setting_sections.hpp"

#include "app/setting_kinds.hpp"
#include "app/setting_parsers.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

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

}  // namespace

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
          "them, and each attempt to sign in on an open connection; past it 429."),
      with_default(number_setting("LIMIT_REFUSALS_PER_CONNECTION", &Config::limit_refusals_per_connection, 1, 1'000'000,
                                  "Attempts to sign in, by CONNECT or mqtt:auth, that may be refused in a row on one "
                                  "Socket.IO connection; past it the connection is closed."),
                   "10"),
      with_default(number_setting("LIMIT_TOPIC_BYTES", &Config::limit_topic_bytes, 1, mqtt::kTopicBytesMax,
                                  "Length of a topic or filter of a client, in bytes; past it 400."),
                   std::to_string(mqtt::kTopicBytesMax)),
      with_default(number_setting("LIMIT_TOPIC_LEVELS", &Config::limit_topic_levels, 1, mqtt::kTopicLevelsMax,
                                  "Levels of a topic or filter of a client; past it 400."),
                   std::to_string(mqtt::kTopicLevelsMax)),
      with_default(size_setting("LIMIT_HEAD_BYTES", &Config::limit_head_bytes, kKilobyte, kMegabyte,
                                "A request's line and header fields; past it 431."),
                   "16384B"),
      with_default(number_setting("LIMIT_HEAD_FIELDS", &Config::limit_head_fields, 10, 10'000,
                                  "Header fields of a request; past it 431."),
                   "100"),
      with_default(
          duration_setting("HTTP_HEAD_TIMEOUT", &Config::http_head_timeout, 1s, 1h,
                           "How long a new connection's TLS handshake may take, its first request may be away, "
                           "and the head of any request may take to come; past it 408, or closed."),
          "15s"),
      with_default(
          duration_setting("HTTP_TRANSFER_TIMEOUT", &Config::http_transfer_timeout, 1s, 1h,
                           "How long a request's body may take to come, and an answer to be taken, besides what "
                           "its bytes take at HTTP_TRANSFER_RATE; past it 408, or closed."),
          "30s"),
      with_default(size_setting("HTTP_TRANSFER_RATE", &Config::http_transfer_rate, 1, kGigabyte,
                                "Bytes a second at which a client must send and take at least."),
                   "16384B"),
      with_default(duration_setting("HTTP_IDLE_TIMEOUT", &Config::http_idle_timeout, 1s, 24h,
                                    "How long an HTTP connection may be silent between requests; then it is closed."),
                   "75s"),
      with_default(
          duration_setting("SOCKETIO_CONNECT_TIMEOUT", &Config::socketio_connect_timeout, 100ms, 1h,
                           "How long a Socket.IO connection may be in no namespace, at first or again; then it "
                           "is closed."),
          "45s"),
      with_default(duration_setting("SOCKETIO_PING_INTERVAL", &Config::socketio_ping_interval, 100ms, 1h,
                                    "Time from a pong of a Socket.IO client to the next ping."),
                   "25s"),
      with_default(duration_setting("SOCKETIO_PING_TIMEOUT", &Config::socketio_ping_timeout, 100ms, 1h,
                                    "How long the pong may be away; then the connection is closed, `ping timeout`."),
                   "20s"),
      with_default(duration_setting("SOCKETIO_UPGRADE_TIMEOUT", &Config::socketio_upgrade_timeout, 100ms, 1h,
                                    "How long a polling client's WebSocket may take to replace the polling; then that "
                                    "WebSocket is closed."),
                   "10s"),
  };
}

}  // namespace famemely::app
