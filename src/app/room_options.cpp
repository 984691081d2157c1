#include "app/room_options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "app/config_rules.hpp"
#include "app/embedded_client_bundle.hpp"
#include "app/load_rules.hpp"
#include "app/setting_parsers.hpp"
#include "app/version.hpp"
#include "gateway/message_event.hpp"
#include "serving/clocks.hpp"
#include "serving/system_random.hpp"

namespace famemely::app {
namespace {

/// QoS 1 and 2 messages that the broker may have sent without our acknowledgement.
constexpr std::uint16_t kReceiveMaximum = 4096;

api::CorsPolicy cors_policy(const Config& config) {
  return {.origins = config.cors_origins, .any_loopback = config.dev};
}

serving::TrustedProxies trusted_proxies(const Config& config) {
  std::vector<serving::AddressRange> ranges;
  for (const std::string& range : config.trust_proxy) ranges.push_back(serving::AddressRange::parse(range).value());
  return serving::TrustedProxies(std::move(ranges));
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace

std::string make_admin_key() {
  serving::SystemRandom random;
  std::uint8_t bytes[32];
  random.fill(bytes);
  return std::string(std::begin(bytes), std::end(bytes));
}

api::WorkerApplicationOptions application_options(const Config& config, std::size_t worker,
                                                  const std::string& admin_key, SharedLimits& shared) {
  const auto index = static_cast<std::uint8_t>(worker);
  api::WorkerApplicationOptions options;
  options.socketio.namespaces = {std::string(gateway::kNamespace)};
  options.socketio.ping_interval = config.socketio_ping_interval;
  options.socketio.ping_timeout = config.socketio_ping_timeout;
  options.socketio.upgrade_timeout = config.socketio_upgrade_timeout;
  options.socketio.connect_timeout = config.socketio_connect_timeout;
  options.socketio.refusals_max = config.limit_refusals_per_connection;
  options.socketio.message_bytes_max = static_cast<std::uint32_t>(config.max_payload);
  options.socketio.client_queue_bytes_max = static_cast<std::uint32_t>(config.client_queue);
  const auto compression_bytes_min = static_cast<std::uint32_t>(config.compression_threshold);
  options.socketio.http_compression_bytes_min.reset();
  if (config.http_compression) options.socketio.http_compression_bytes_min = compression_bytes_min;
  if (config.websocket_compression) options.socketio.websocket_compression_bytes_min = compression_bytes_min;
  options.socketio.owner = index;
  options.socketio.admission = shared.connections.limits().any() ? &shared.connections : nullptr;
  options.socketio.limit_counters = &shared.counters;
  options.worker = {.index = index,
                    .subscriptions_per_socket_max = config.limit_subscriptions_per_socket,
                    .replay_bytes = std::min<std::size_t>(config.client_queue / 4, 65'536),
                    .recovery_window = config.recovery_window,
                    .recovery_bytes = config.recovery_bytes,
                    .recovery_bytes_total = config.recovery_bytes_total / 2 / config.workers,
                    .token_leeway = config.jwt_leeway,
                    .accounts = &shared.users,
                    .limit_counters = &shared.counters};
  options.cors = cors_policy(config);
  options.client_bundle = embedded_client_bundle();
  options.serve_client = config.serve_client;
  const Instant now = serving::read_clocks().instant;
  options.rest = {.version = std::string(kVersion),
                  .started_at = now,
                  .compressed_bytes_min = options.socketio.http_compression_bytes_min,
                  .limiting = {.accounts = &shared.users,
                               .counters = &shared.counters,
                               .topics = {.bytes = config.limit_topic_bytes, .levels = config.limit_topic_levels}}};
  if (config.admin_ui) options.socketio.namespaces.emplace_back(api::kAdminNamespace);
  options.admin = {.session_key = admin_key,
                   .server = {.id = config.node_id,
                              .hostname = host_name(),
                              .pid = static_cast<std::int64_t>(::getpid()),
                              .started_at = now}};
  return options;
}

serving::ConnectionOptions connection_options(const Config& config, std::size_t worker, SharedLimits& shared,
                                              serving::TlsServer* tls) {
  return {.worker = worker,
          .workers = config.workers,
          .http = {.head_bytes_max = config.limit_head_bytes,
                   .fields_max = config.limit_head_fields,
                   .body_bytes_max = config.max_payload},
          .head_timeout = config.http_head_timeout,
          .transfer_timeout = config.http_transfer_timeout,
          .bytes_per_second_min = config.http_transfer_rate,
          .idle_timeout = config.http_idle_timeout,
          .trusted_proxies = trusted_proxies(config),
          .limits = &shared.connections,
          .tls = tls,
          .limit_counters = &shared.counters};
}

/// The files have been read before: what is wrong with them now has gone wrong in between.
std::unique_ptr<serving::TlsServer> make_tls_server(const Config& config) {
  if (config.tls_cert_file.empty()) return nullptr;
  auto server = serving::TlsServer::make({config.tls_cert_file, config.tls_key_file});
  if (!server) throw std::runtime_error(server.error());
  return *std::move(server);
}

gateway::BridgeOptions bridge_options(const Config& config, WallTime now, SharedLimits* shared) {
  gateway::BridgeOptions options;
  options.session.client_id = config.mqtt_client_id.empty() ? fmt::format("famemely_{}", now.time_since_epoch().count())
                                                            : config.mqtt_client_id;
  if (!config.mqtt_username.empty()) options.session.username = config.mqtt_username;
  if (!config.mqtt_password.empty()) options.session.password = config.mqtt_password;
  switch (config.mqtt_version) {
    case BrokerVersion::automatic:
      options.session.version = mqtt::VersionChoice::automatic;
      break;
    case BrokerVersion::v5:
      options.session.version = mqtt::VersionChoice::only_5;
      break;
    case BrokerVersion::v3_1_1:
      options.session.version = mqtt::VersionChoice::only_3_1_1;
      break;
  }
  options.session.keepalive_s =
      static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::seconds>(config.mqtt_keepalive).count());
  options.session.connack_timeout = config.mqtt_connect_timeout;
  options.session.receive_maximum = kReceiveMaximum;
  options.session.packet_bytes_max = config.max_payload + std::size_t{128} * 1024;
  options.reconnect_min = config.mqtt_reconnect_min;
  options.reconnect_max = config.mqtt_reconnect_max;
  options.subscribe_batch = config.mqtt_subscribe_batch;
  options.payload_bytes_max = config.max_payload;
  options.workers = config.workers;
  options.fence_topic = config.mqtt_fence_topic;
  // A dead connection is found out a ping late, and its client's window begins then.
  if (config.recovery_window > Duration::zero())
    options.recovery_window = config.recovery_window + config.socketio_ping_interval + config.socketio_ping_timeout;
  options.recovery_bytes = config.recovery_bytes;
  options.recovery_bytes_total = config.recovery_bytes_total / 2;
  if (shared) {
    options.accounts = &shared->users;
    options.limit_counters = &shared->counters;
  }
  return options;
}

/// The files have been read before: what is wrong with them now has gone wrong in between.
io::BrokerAddress broker_address(const Config& config, std::uint16_t port) {
  io::BrokerAddress address{.host = config.managed_broker() ? "127.0.0.1" : config.mqtt_host,
                            .port = port,
                            .connect_timeout = config.mqtt_connect_timeout};
  if (config.broker_tls()) {
    auto tls = io::TlsContext::make(tls_options(config));
    if (!tls) throw std::runtime_error(tls.error());
    address.tls = *std::move(tls);
  }
  if (config.broker_websocket()) {
    address.websocket = io::BrokerAddress::WebSocket{.target = config.mqtt_ws_path};
    if (!config.mqtt_ws_headers.empty()) address.websocket->fields = parse_ws_headers(config.mqtt_ws_headers).value();
  }
  address.has_credentials =
      !config.mqtt_password.empty() ||
      (address.websocket && (address.websocket->fields.size() > 0 || address.websocket->target.contains('?')));
  return address;
}

gateway::Authenticator make_authenticator(const Config& config) {
  return gateway::Authenticator(jwt::Verifier({.secret = config.supabase_jwt_secret,
                                               .audience = config.jwt_audience,
                                               .issuer = config.issuer(),
                                               .leeway = config.jwt_leeway,
                                               .loopback_only = config.loopback_only()}),
                                gateway::RoleClaims::parse(config.jwt_role_claims).value());
}

/// The file has been read before, as above.
std::shared_ptr<const gateway::PermissionPolicy> make_policy(const Config& config) {
  auto loaded = load_rules(config);
  if (!loaded) throw std::runtime_error(loaded.error());
  return std::make_shared<const gateway::PermissionPolicy>(std::move(loaded->rules));
}

}  // namespace famemely::app
