#include "app/setting_sections.hpp"

#include "app/setting_kinds.hpp"
#include "app/setting_parsers.hpp"
#include "gateway/ports.hpp"

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

/// The largest packet that MQTT can say the length of (MQTT 5 section 1.5.5), in round numbers.
constexpr std::size_t kPayloadBytesMax = 256 * kMegabyte;

/// No address in the list is all of them, which is written `*`.
Setting listen_addresses(Setting setting) {
  setting.get = [plain = setting.get](const Config& config) { return config.host.empty() ? "*" : plain(config); };
  return setting;
}

}  // namespace

std::vector<Setting> gateway_settings() {
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
          size_setting("MAX_PAYLOAD", &Config::max_payload, kKilobyte, kPayloadBytesMax,
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
      with_default(size_setting("COMPRESSION_THRESHOLD", &Config::compression_threshold, 0, kPayloadBytesMax,
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

}  // namespace famemely::app
