#include "app/config_rules.hpp"

#include <algorithm>
#include <array>

#include "app/mqtt_url.hpp"
#include "app/settings_table.hpp"
#include "io/jwks_source.hpp"
#include "io/small_file.hpp"
#include "serving/tls_files.hpp"

namespace famemely::app {
namespace {

/// What Supabase's CLI, its Docker set-up, and the examples of its Realtime and Storage services come with.
constexpr std::array<std::string_view, 4> kPublishedSecrets{
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "dc447559-996d-4761-a306-f47a5eab1623",
    "f023d3db-39dc-4ac9-87b2-b2be72e9162b",
};

constexpr std::array<std::string_view, 5> kReplacedByUrl{"MQTT_HOST", "MQTT_PORT", "MQTT_PROTOCOL", "MQTT_USERNAME",
                                                         "MQTT_PASSWORD"};

void check_url_conflicts(const GivenValues& given, Findings& findings) {
  const auto url = given.find("MQTT_URL");
  if (url == given.end()) return;
  std::vector<std::string_view> replaced(kReplacedByUrl.begin(), kReplacedByUrl.end());
  const auto parts = parse_mqtt_url(url->second.text);
  if (parts && !parts->path.empty()) replaced.emplace_back("MQTT_WS_PATH");
  for (std::string_view name : replaced)
    if (const auto other = given.find(name); other != given.end())
      findings.faults.push_back("MQTT_URL (" + url->second.source + ") and " + std::string(name) + " (" +
                                other->second.source +
                                ") are both set; MQTT_URL stands in its place, so leave one out");
}

/// Silently ignoring what somebody asked for would be worse than not starting.
void check_availability(const Config& config, const GivenValues& given, Findings& findings) {
  const Config defaults = default_config();
  for (const Setting& setting : settings()) {
    if (setting.unavailable.empty() || setting.get(config) == setting.get(defaults)) continue;
    auto value = given.find(setting.name);
    const Setting* origin = value == given.end() ? find_setting("MQTT_URL") : &setting;
    if (value == given.end()) value = given.find("MQTT_URL");
    if (value != given.end()) findings.faults.push_back(describe(*origin, value->second) + ": " + setting.unavailable);
  }
}

/// Each of them is something to verify tokens with.
constexpr std::array kKeySettings{"SUPABASE_JWT_SECRET", "SUPABASE_URL", "SUPABASE_JWKS_URL", "API_KEYS_FILE"};

/// A server that is away may come back; a file that is missing or wrong is a mistake.
void check_key_files(const Config& config, Findings& findings) {
  if (!config.api_keys_file.empty())
    if (const auto keys = load_api_keys(config.api_keys_file); !keys)
      findings.faults.push_back("API_KEYS_FILE " + keys.error());
  if (const auto location = io::JwksLocation::parse(config.supabase_jwks_url); location && !location->url) {
    const auto text = io::read_small_file(location->file, io::HttpGet::kBodyBytesMax);
    if (!text)
      findings.faults.push_back("SUPABASE_JWKS_URL " + text.error());
    else if (const auto keys = jwt::KeySet::parse(*text); !keys)
      findings.faults.push_back("SUPABASE_JWKS_URL " + location->file + ": " + keys.error());
  }
}

void check_tokens(const Config& config, const GivenValues& given, Findings& findings) {
  const std::string& secret = config.supabase_jwt_secret;
  const auto is_given = [&](const char* name) { return given.contains(name); };
  const bool any_given = std::ranges::any_of(kKeySettings, is_given);
  if (!any_given && !config.dev)
    findings.faults.emplace_back(
        "nothing is set to verify tokens with: set SUPABASE_URL, SUPABASE_JWKS_URL, SUPABASE_JWT_SECRET or "
        "API_KEYS_FILE, or try --dev");
  check_key_files(config, findings);
  if (!config.supabase_url.empty() && config.jwks_location().empty()) {
    const std::string why =
        describe(*find_setting("SUPABASE_URL"), given.at("SUPABASE_URL")) +
        ": no keys are fetched from it, because what comes in plain text can be exchanged on the way";
    if (secret.empty() && !config.dev)
      findings.faults.push_back(why + "; use https://, or set SUPABASE_JWKS_URL or SUPABASE_JWT_SECRET as well");
    else
      findings.warnings.push_back(why + "; only HS256 tokens with iss " + config.issuer() + " are accepted");
  } else if (!secret.empty() && !config.jwks_location().empty()) {
    findings.warnings.emplace_back(
        "SUPABASE_JWT_SECRET is set beside a JWKS: tokens that are signed with the old secret stay valid until it is "
        "removed");
  }
  if (!is_published_secret(secret)) return;
  if (config.loopback_only())
    findings.warnings.emplace_back(
        "SUPABASE_JWT_SECRET is a published default: anybody on this machine can sign tokens");
  else
    findings.faults.push_back(
        "SUPABASE_JWT_SECRET (" + given.at("SUPABASE_JWT_SECRET").source +
        ") is a published default of local Supabase stacks, with which anybody can sign tokens; it "
        "is accepted only while listening on loopback: set HOST=localhost, or another secret");
}

void check_broker(const Config& config, const GivenValues& given, Findings& findings) {
  if (config.mqtt_host.empty() && !given.contains("MQTT_HOST") && !given.contains("MQTT_URL"))
    findings.faults.emplace_back(
        "no broker is set: set MQTT_HOST or MQTT_URL (MQTT_HOST=managed runs a mosquitto of our own), or try --dev");
  if (config.mqtt_reconnect_min > config.mqtt_reconnect_max) {
    const auto text_of = [&](std::string_view name) {
      const Setting& setting = *find_setting(name);
      const auto value = given.find(name);
      return value == given.end() ? setting.name + "=" + setting.fallback + " (default)"
                                  : describe(setting, value->second);
    };
    findings.faults.push_back(text_of("MQTT_RECONNECT_MIN") + " is longer than " + text_of("MQTT_RECONNECT_MAX"));
  }
}

/// A password that was meant for TLS must not go out without it.
void check_broker_transport(const Config& config, const GivenValues& given, Findings& findings) {
  const Config defaults = default_config();
  const std::string protocol(format_broker_protocol(config.mqtt_protocol));
  const auto is_set = [&](const char* name) {
    const Setting& setting = *find_setting(name);
    return given.contains(name) && setting.get(config) != setting.get(defaults);
  };
  if (config.managed_broker() && config.mqtt_protocol != BrokerProtocol::mqtt)
    findings.faults.push_back("MQTT_PROTOCOL is " + protocol +
                              ", but the managed broker is spoken to in plain MQTT, on loopback; leave it out");
  for (const char* name : {"MQTT_CA_FILE", "MQTT_CERT_FILE", "MQTT_KEY_FILE", "MQTT_TLS_INSECURE", "MQTT_TLS_ALPN"})
    if (!config.broker_tls() && is_set(name))
      findings.faults.push_back(describe(*find_setting(name), given.find(name)->second) +
                                " has a meaning only with MQTT_PROTOCOL mqtts and wss; it is " + protocol);
  for (const char* name : {"MQTT_WS_PATH", "MQTT_WS_HEADERS"})
    if (!config.broker_websocket() && is_set(name))
      findings.warnings.push_back(std::string(name) + " has a meaning only with MQTT_PROTOCOL ws and wss; it is " +
                                  protocol);
  if (!config.broker_tls()) return;
  if (config.mqtt_cert_file.empty() != config.mqtt_key_file.empty())
    findings.faults.emplace_back(
        "MQTT_CERT_FILE and MQTT_KEY_FILE go together (one file that holds both may stand in "
        "both), but only one of them is set");
  else if (const auto tls = io::TlsContext::make(tls_options(config)); !tls)
    findings.faults.push_back(tls.error());
  if (config.mqtt_tls_insecure)
    findings.warnings.emplace_back(
        "MQTT_TLS_INSECURE: the broker's certificate and host name are not verified; anybody on the way can read and "
        "change what is said, the password among it");
}

void check_serving(const Config& config, Findings& findings) {
  if (config.tls_cert_file.empty() && config.tls_key_file.empty()) return;
  if (config.tls_cert_file.empty() || config.tls_key_file.empty())
    findings.faults.emplace_back(
        "TLS_CERT_FILE and TLS_KEY_FILE go together (one file that holds both may stand in both), but only one of them "
        "is "
        "set");
  else if (const auto read = serving::read_tls_files({config.tls_cert_file, config.tls_key_file}); !read)
    findings.faults.push_back(read.error());
}

void add_remarks(const Config& config, const GivenValues& given, Findings& findings) {
  if (given.contains("FAMEMELY_DATABASE_URL") && config.famemely_database_url != "sqlite::memory:")
    findings.warnings.emplace_back(
        "FAMEMELY_DATABASE_URL: this version keeps durable subscriptions in memory; they do not survive a restart");
  if (config.client_queue < config.max_payload)
    findings.warnings.emplace_back(
        "CLIENT_QUEUE is smaller than MAX_PAYLOAD: the largest messages never fit a client's queue");
}

}  // namespace

Result<gateway::ApiKeys, std::string> load_api_keys(const std::string& file) {
  constexpr std::size_t kBytesMax = 2'000'000;
  const auto text = io::read_small_file(file, kBytesMax);
  if (!text) return failure(text.error());
  auto keys = gateway::ApiKeys::parse(*text);
  if (!keys) return failure(file + ": " + keys.error());
  return *std::move(keys);
}

io::TlsOptions tls_options(const Config& config) {
  return {.ca_file = config.mqtt_ca_file,
          .cert_file = config.mqtt_cert_file,
          .key_file = config.mqtt_key_file,
          .insecure = config.mqtt_tls_insecure,
          .alpn = config.mqtt_tls_alpn};
}

bool is_published_secret(std::string_view secret) {
  return std::ranges::find(kPublishedSecrets, secret) != kPublishedSecrets.end();
}

void check_link_rules(const Config& config, const GivenValues& given, Findings& findings) {
  check_url_conflicts(given, findings);
  check_availability(config, given, findings);
  check_broker(config, given, findings);
}

void check_rules(const Config& config, const GivenValues& given, bool serves, Findings& findings) {
  check_url_conflicts(given, findings);
  check_availability(config, given, findings);
  check_tokens(config, given, findings);
  if (!serves) return;
  check_broker(config, given, findings);
  check_broker_transport(config, given, findings);
  check_serving(config, findings);
  add_remarks(config, given, findings);
}

}  // namespace famemely::app
