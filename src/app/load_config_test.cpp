#include "app/load_config.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "app/config_text.hpp"
#include "app/surroundings_fixture.hpp"

namespace famemely::app {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class LoadConfig : public SurroundingsFixture {
 protected:
  LoadConfig() { around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_JWT_SECRET", kTestSecret}}; }

  LoadedConfig load() const {
    auto loaded = load_config(request_, around_);
    EXPECT_TRUE(loaded) << loaded.error();
    return loaded ? *loaded : LoadedConfig{};
  }
  std::string fault() const {
    const auto loaded = load_config(request_, around_);
    return loaded ? "loaded" : loaded.error();
  }
  std::string fault_of(const std::string& name, const std::string& value) {
    around_.environment[name] = value;
    std::string text = fault();
    around_.environment.erase(name);
    return text;
  }
  void flag(const std::string& name, const std::string& value) {
    request_.flags[name] = {value, "flag " + find_setting(name)->flag()};
  }

  ConfigRequest request_;
};

TEST_F(LoadConfig, NeedsNoMoreThanABrokerAndASecret) {
  const LoadedConfig loaded = load();
  EXPECT_EQ(loaded.config.mqtt_host, "broker");
  EXPECT_EQ(loaded.config.mqtt_port, 1883);
  EXPECT_EQ(loaded.config.port, 3001);
  EXPECT_TRUE(loaded.config.host.empty());
  EXPECT_EQ(loaded.config.node_id, "machine");
  EXPECT_EQ(loaded.config.workers, 1U);
  EXPECT_THAT(loaded.warnings, IsEmpty());
}

TEST_F(LoadConfig, ReadsTheEnvironmentFileOfTheModuleItReplaces) {
  around_.environment.clear();
  write(".env",
        "MQTT_HOST=broker.hivemq.com\nMQTT_PORT=1883\nMQTT_PROTOCOL=mqtt\nMQTT_USERNAME=          # Optional\n"
        "MQTT_PASSWORD=          # Optional\nSUPABASE_JWT_SECRET=0123456789abcdef0123456789abcdef\n");
  const LoadedConfig loaded = load();
  EXPECT_EQ(loaded.config.mqtt_host, "broker.hivemq.com");
  EXPECT_EQ(loaded.config.mqtt_username, "");
  EXPECT_THAT(loaded.warnings, IsEmpty());
}

TEST_F(LoadConfig, LetsFlagsWinOverEnvironmentOverDotenvOverYaml) {
  write("c.yaml", "port: 1\nnode_id: yaml\nlog_level: debug\nmqtt_client_id: yaml\n");
  write(".env", "PORT=2\nNODE_ID=dotenv\nLOG_LEVEL=warn\n");
  request_.yaml_file = "c.yaml";
  around_.environment["PORT"] = "3";
  around_.environment["NODE_ID"] = "environment";
  flag("PORT", "4");
  const Config config = load().config;
  EXPECT_EQ(config.port, 4);
  EXPECT_EQ(config.node_id, "environment");
  EXPECT_EQ(config.log_level, LogLevel::warn);
  EXPECT_EQ(config.mqtt_client_id, "yaml");
}

TEST_F(LoadConfig, LetsEmptyValuesFallThrough) {
  write(".env", "PORT=2\n");
  around_.environment["PORT"] = "";
  EXPECT_EQ(load().config.port, 2);
  flag("PORT", "");
  EXPECT_EQ(load().config.port, 3001);
}

TEST_F(LoadConfig, SwitchesTheAudienceOffByAnEmptyValue) {
  around_.environment["JWT_AUDIENCE"] = "";
  EXPECT_EQ(load().config.jwt_audience, "");
  around_.environment["JWT_AUDIENCE"] = "else";
  flag("JWT_AUDIENCE", "");
  EXPECT_EQ(load().config.jwt_audience, "");
}

TEST_F(LoadConfig, OverlooksBadValuesThatSomethingHigherReplaces) {
  around_.environment["MQTT_PORT"] = "tcp://10.0.0.5:1883";
  flag("MQTT_PORT", "1884");
  EXPECT_EQ(load().config.mqtt_port, 1884);
}

TEST_F(LoadConfig, RefusesMissingNamedFiles) {
  request_.env_file = "prod.env";
  EXPECT_EQ(fault(), "--env-file prod.env: No such file or directory");
  request_.env_file.reset();
  request_.yaml_file = "c.yaml";
  EXPECT_EQ(fault(), "--config c.yaml: No such file or directory");
}

TEST_F(LoadConfig, ReadsANamedEnvironmentFileInPlaceOfTheUsualOne) {
  write(".env", "PORT=1\nNODE_ID=usual\n");
  write("prod.env", "PORT=2\n");
  request_.env_file = "prod.env";
  EXPECT_EQ(load().config.port, 2);
  EXPECT_EQ(load().config.node_id, "machine");
}

TEST_F(LoadConfig, NamesKeyValueSourceAndWhatIsAllowed) {
  EXPECT_EQ(fault_of("PORT", "http"), "PORT=\"http\" (environment) is not allowed: allowed: a port, 0 to 65535");
  write(".env", "\nMAX_PAYLOAD=1MiB\n");
  EXPECT_THAT(fault(), AllOf(HasSubstr("MAX_PAYLOAD=\"1MiB\" (.env:2)"), HasSubstr("1KB to 256MB")));
  write(".env", "");
  flag("LOG_LEVEL", "loud");
  EXPECT_EQ(fault(),
            "LOG_LEVEL=\"loud\" (flag --log-level) is not allowed: allowed: trace, debug, info, warn, error, off");
  request_.flags.clear();
  write("c.yaml", "workers: many\n");
  request_.yaml_file = "c.yaml";
  EXPECT_EQ(fault(), "WORKERS=\"many\" (c.yaml:1) is not allowed: allowed: a number, 1 to 63");
}

TEST_F(LoadConfig, ReportsEveryFaultAtOnce) {
  around_.environment["PORT"] = "x";
  around_.environment["WORKERS"] = "y";
  EXPECT_THAT(fault(), AllOf(HasSubstr("PORT="), HasSubstr("\nWORKERS=")));
}

TEST_F(LoadConfig, RefusesControlCharactersAndBrokenUtf8) {
  EXPECT_THAT(fault_of("NODE_ID", "a\r"),
              HasSubstr("NODE_ID=\"a\\r\" (environment) is not allowed: it holds a line end"));
  EXPECT_THAT(fault_of("NODE_ID", "\xFF"), HasSubstr("it is not UTF-8"));
}

TEST_F(LoadConfig, SaysWhereTheAddressInMqttPortComesFrom) {
  EXPECT_THAT(fault_of("MQTT_PORT", "tcp://10.0.0.5:1883"),
              AllOf(HasSubstr("MQTT_PORT=\"tcp://10.0.0.5:1883\" (environment)"), HasSubstr("Kubernetes"),
                    HasSubstr("enableServiceLinks")));
}

TEST_F(LoadConfig, NeverRepeatsSecrets) {
  EXPECT_THAT(fault_of("SUPABASE_JWT_SECRET", "hunter2"),
              AllOf(HasSubstr("at least 32 bytes"), Not(HasSubstr("hunter2"))));
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}};
  EXPECT_THAT(fault_of("MQTT_URL", "mqtt://u:hunter2@b:x"), AllOf(HasSubstr("MQTT_URL"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(fault_of("MQTT_URL", "mqtts://u:hunter2@b?"), AllOf(HasSubstr("MQTT_URL"), Not(HasSubstr("hunter2"))));
}

TEST_F(LoadConfig, TakesOneUrlInPlaceOfFiveVariables) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}, {"MQTT_URL", "mqtt://me:pa%20ss@[::1]:1884"}};
  const Config config = load().config;
  EXPECT_EQ(config.mqtt_host, "::1");
  EXPECT_EQ(config.mqtt_port, 1884);
  EXPECT_EQ(config.mqtt_username, "me");
  EXPECT_EQ(config.mqtt_password, "pa ss");
  around_.environment["MQTT_URL"] = "mqtt://b";
  EXPECT_EQ(load().config.mqtt_port, 1883);
}

TEST_F(LoadConfig, RefusesTheUrlBesideAVariableItReplaces) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}, {"MQTT_URL", "mqtt://b"}};
  for (const auto& [name, value] : std::map<std::string, std::string>{{"MQTT_HOST", "c"},
                                                                      {"MQTT_PORT", "1"},
                                                                      {"MQTT_PROTOCOL", "mqtt"},
                                                                      {"MQTT_USERNAME", "u"},
                                                                      {"MQTT_PASSWORD", "p"}})
    EXPECT_EQ(fault_of(name, value), "MQTT_URL (environment) and " + name +
                                         " (environment) are both set; MQTT_URL stands in its place, so leave one out");
  around_.environment["MQTT_URL"] = "ws://b/path";
  EXPECT_THAT(fault_of("MQTT_WS_PATH", "/other"), HasSubstr("and MQTT_WS_PATH (environment) are both set"));
}

TEST_F(LoadConfig, RefusesWhatThisVersionCannotHonour) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"METRICS_TOKEN", "t"}, {"METRICS_PORT", "9090"}})
    EXPECT_THAT(fault_of(name, value),
                AllOf(HasSubstr(name + "="), HasSubstr("(environment): "), HasSubstr("not available in this version")));
}

TEST_F(LoadConfig, LooksAtThePermissionsFile) {
  EXPECT_THAT(fault_of("PERMISSIONS_FILE", "p.yaml"), HasSubstr("PERMISSIONS_FILE: p.yaml: No such file"));
  write("p.yaml", "rules:\n  - allow: [write]\n    topics: [a]\n");
  EXPECT_EQ(fault_of("PERMISSIONS_FILE", "p.yaml"),
            "PERMISSIONS_FILE: p.yaml:2: rule 1: allow holds \"write\"; allowed: publish, subscribe");
  write("p.yaml", "rules: []\n");
  EXPECT_EQ(fault_of("PERMISSIONS_FILE", "p.yaml"), "loaded");
}

TEST_F(LoadConfig, TakesTheDefaultsOfWhatItCannotHonour) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"METRICS_PORT", ""}, {"TLS_CERT_FILE", ""}})
    EXPECT_EQ(fault_of(name, value), "loaded");
}

TEST_F(LoadConfig, TakesAllFourSchemes) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}};
  for (std::string scheme : {"mqtt", "mqtts", "ws", "wss"}) EXPECT_EQ(fault_of("MQTT_URL", scheme + "://b"), "loaded");
  around_.environment["MQTT_URL"] = "wss://b/mqtt?token=x";
  EXPECT_EQ(load().config.mqtt_port, 443);
  EXPECT_EQ(load().config.mqtt_ws_path, "/mqtt?token=x");
}

TEST_F(LoadConfig, RefusesTlsSettingsWhereThereIsNoTls) {
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"MQTT_CA_FILE", "ca.pem"}, {"MQTT_TLS_INSECURE", "true"}, {"MQTT_TLS_ALPN", "mqtt"}})
    EXPECT_EQ(
        fault_of(name, value),
        name + "=\"" + value + "\" (environment) has a meaning only with MQTT_PROTOCOL mqtts and wss; it is mqtt");
}

TEST_F(LoadConfig, RefusesACertificateWithoutItsKey) {
  around_.environment["MQTT_PROTOCOL"] = "mqtts";
  EXPECT_THAT(fault_of("MQTT_CERT_FILE", "c.pem"), HasSubstr("MQTT_CERT_FILE and MQTT_KEY_FILE go together"));
  EXPECT_THAT(fault_of("MQTT_KEY_FILE", "k.pem"), HasSubstr("MQTT_CERT_FILE and MQTT_KEY_FILE go together"));
}

TEST_F(LoadConfig, ReadsTheTlsFiles) {
  around_.environment["MQTT_PROTOCOL"] = "wss";
  EXPECT_THAT(fault_of("MQTT_CA_FILE", "/nowhere/ca.pem"), HasSubstr("MQTT_CA_FILE /nowhere/ca.pem: No such file"));
}

TEST_F(LoadConfig, WarnsOfWebSocketSettingsWhereThereIsNoWebSocket) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}, {"MQTT_HOST", "b"}, {"MQTT_WS_PATH", "/x"}};
  EXPECT_THAT(load().warnings, Contains(HasSubstr("MQTT_WS_PATH has a meaning only with MQTT_PROTOCOL ws and wss")));
}

TEST_F(LoadConfig, WarnsOfAnUnverifiedBroker) {
  around_.environment = {
      {"SUPABASE_JWT_SECRET", kTestSecret}, {"MQTT_URL", "mqtts://b"}, {"MQTT_TLS_INSECURE", "true"}};
  EXPECT_THAT(load().warnings, Contains(HasSubstr("MQTT_TLS_INSECURE: the broker's certificate")));
}

TEST_F(LoadConfig, SpeaksPlainMqttWithTheManagedBroker) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}, {"MQTT_HOST", "managed"}};
  EXPECT_THAT(fault_of("MQTT_PROTOCOL", "mqtts"), HasSubstr("the managed broker is spoken to in plain MQTT"));
  EXPECT_THAT(fault_of("MQTT_PROTOCOL", "ws"), HasSubstr("the managed broker is spoken to in plain MQTT"));
}

TEST_F(LoadConfig, FindsTheKeysOfASupabaseProject) {
  around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_URL", "https://p.supabase.co/"}};
  const LoadedConfig loaded = load();
  EXPECT_EQ(loaded.config.issuer(), "https://p.supabase.co/auth/v1");
  EXPECT_EQ(loaded.config.jwks_location(), "https://p.supabase.co/auth/v1/.well-known/jwks.json");
  EXPECT_THAT(loaded.warnings, IsEmpty());
  around_.environment["SUPABASE_JWKS_URL"] = "https://keys.example/jwks.json";
  EXPECT_EQ(load().config.jwks_location(), "https://keys.example/jwks.json");
  around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_URL", "http://127.0.0.1:54321"}};
  EXPECT_EQ(load().config.jwks_location(), "http://127.0.0.1:54321/auth/v1/.well-known/jwks.json");
}

TEST_F(LoadConfig, WarnsOfASecretBesideAJwks) {
  around_.environment["SUPABASE_URL"] = "https://p.supabase.co";
  EXPECT_THAT(load().warnings, ElementsAre(HasSubstr("tokens that are signed with the old secret stay valid")));
}

TEST_F(LoadConfig, FetchesNoKeysInPlainText) {
  around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_URL", "http://kong:8000"}};
  EXPECT_THAT(fault(), HasSubstr("use https://, or set SUPABASE_JWKS_URL or SUPABASE_JWT_SECRET as well"));
  EXPECT_THAT(fault_of("SUPABASE_JWKS_URL", "http://kong:8000/jwks.json"),
              HasSubstr("http:// is allowed to this machine only"));
  around_.environment["SUPABASE_JWT_SECRET"] = kTestSecret;
  const LoadedConfig loaded = load();
  EXPECT_EQ(loaded.config.jwks_location(), "");
  EXPECT_THAT(loaded.warnings, ElementsAre(HasSubstr("only HS256 tokens with iss http://kong:8000/auth/v1")));
}

TEST_F(LoadConfig, RepeatsNoSecretOfTheAddressOfKeys) {
  around_.environment = {{"MQTT_HOST", "broker"}};
  EXPECT_THAT(fault_of("SUPABASE_JWKS_URL", "https://me:hidden@keys.example/jwks.json"), Not(HasSubstr("hidden")));
  EXPECT_THAT(fault_of("SUPABASE_JWKS_URL", "http://keys.example/jwks.json?apikey=hidden"), Not(HasSubstr("hidden")));
  around_.environment["SUPABASE_JWKS_URL"] = "https://keys.example/jwks.json?apikey=hidden";
  EXPECT_THAT(print_config(load().config),
              AllOf(HasSubstr("SUPABASE_JWKS_URL=https://keys.example/jwks.json?***"), Not(HasSubstr("hidden"))));
}

TEST_F(LoadConfig, ReadsTheKeyFilesBeforeItStarts) {
  around_.environment = {{"MQTT_HOST", "broker"}};
  EXPECT_THAT(fault_of("API_KEYS_FILE", "/nowhere/keys"), HasSubstr("API_KEYS_FILE /nowhere/keys: No such file"));
  EXPECT_THAT(fault_of("SUPABASE_JWKS_URL", "file:/nowhere/jwks"),
              HasSubstr("SUPABASE_JWKS_URL /nowhere/jwks: No such file"));
  const auto path = [&](const char* name) { return (around_.directory / name).string(); };
  std::ofstream(path("keys")) << "billing service_role\n";
  EXPECT_THAT(fault_of("API_KEYS_FILE", path("keys")), HasSubstr("keys: line 1: a line is: name role sha256:"));
  std::ofstream(path("keys")) << "billing service_role sha256:" << std::string(64, 'a') << "\n";
  EXPECT_EQ(fault_of("API_KEYS_FILE", path("keys")), "loaded") << "API keys alone are enough";
  std::ofstream(path("jwks")) << "{}";
  EXPECT_THAT(fault_of("SUPABASE_JWKS_URL", "file:" + path("jwks")), HasSubstr("has no array named keys"));
  std::ofstream(path("jwks")) << R"({"keys":[]})";
  EXPECT_EQ(fault_of("SUPABASE_JWKS_URL", "file://" + path("jwks")), "loaded");
}

TEST_F(LoadConfig, RefusesToStartWithoutASecret) {
  around_.environment = {{"MQTT_HOST", "broker"}};
  EXPECT_EQ(fault(),
            "nothing is set to verify tokens with: set SUPABASE_URL, SUPABASE_JWKS_URL, SUPABASE_JWT_SECRET or "
            "API_KEYS_FILE, or try --dev");
}

TEST_F(LoadConfig, RefusesToStartWithoutABroker) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}};
  EXPECT_THAT(fault(), HasSubstr("no broker is set: set MQTT_HOST or MQTT_URL"));
  request_.serves = false;
  EXPECT_EQ(fault(), "loaded");
}

TEST_F(LoadConfig, TakesPublishedSecretsOnLoopbackOnly) {
  for (std::string published : {"super-secret-jwt-token-with-at-least-32-characters-long",
                                "your-super-secret-jwt-token-with-at-least-32-characters-long",
                                "dc447559-996d-4761-a306-f47a5eab1623", "f023d3db-39dc-4ac9-87b2-b2be72e9162b"}) {
    around_.environment["SUPABASE_JWT_SECRET"] = published;
    EXPECT_THAT(fault(), AllOf(HasSubstr("published default"), HasSubstr("HOST=localhost"), Not(HasSubstr(published))));
    for (std::string host : {"0.0.0.0", "127.0.0.1,10.0.0.1", "::", "*"})
      EXPECT_THAT(fault_of("HOST", host), HasSubstr("published default")) << host;
    for (std::string host : {"localhost", "127.0.0.1", "::1", "127.0.0.1,::1"})
      EXPECT_EQ(fault_of("HOST", host), "loaded") << host;
  }
  around_.environment["HOST"] = "localhost";
  EXPECT_THAT(load().warnings, ElementsAre(HasSubstr("published default")));
}

TEST_F(LoadConfig, RefusesAReconnectThatShrinks) {
  EXPECT_EQ(fault_of("MQTT_RECONNECT_MIN", "1m"),
            "MQTT_RECONNECT_MIN=\"1m\" (environment) is longer than MQTT_RECONNECT_MAX=30s (default)");
}

TEST_F(LoadConfig, SaysThatNothingIsStored) {
  around_.environment["FAMEMELY_DATABASE_URL"] = "postgres://u:p@h/d";
  EXPECT_THAT(load().warnings, ElementsAre(HasSubstr("in memory")));
  around_.environment["FAMEMELY_DATABASE_URL"] = "sqlite::memory:";
  EXPECT_THAT(load().warnings, IsEmpty());
}

TEST_F(LoadConfig, WarnsOfAQueueThatHoldsNoLargeMessage) {
  around_.environment["CLIENT_QUEUE"] = "100KB";
  EXPECT_THAT(load().warnings, ElementsAre(HasSubstr("CLIENT_QUEUE is smaller")));
}

TEST_F(LoadConfig, ListensOnLoopbackWithAManagedBrokerForDevelopment) {
  around_.environment.clear();
  request_.dev = true;
  const Config config = load().config;
  EXPECT_EQ(config.host, (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_TRUE(config.managed_broker());
  EXPECT_EQ(config.mqtt_port, 0);
  EXPECT_TRUE(config.supabase_jwt_secret.empty());
  EXPECT_TRUE(config.dev);
}

TEST_F(LoadConfig, FixesThePortOfTheManagedBroker) {
  around_.environment = {{"MQTT_PORT", "1885"}};
  request_.dev = true;
  EXPECT_EQ(load().config.mqtt_port, 1885);
}

TEST_F(LoadConfig, KeepsWhatIsSetForDevelopment) {
  around_.environment["HOST"] = "0.0.0.0";
  request_.dev = true;
  const Config config = load().config;
  EXPECT_EQ(config.host, std::vector<std::string>{"0.0.0.0"});
  EXPECT_EQ(config.mqtt_host, "broker");
  EXPECT_EQ(config.supabase_jwt_secret, kTestSecret);
}

TEST_F(LoadConfig, LogsForPeopleOnATerminal) {
  EXPECT_EQ(load().config.log_format, LogFormat::json);
  around_.stderr_is_terminal = true;
  EXPECT_EQ(load().config.log_format, LogFormat::text);
  around_.environment["LOG_FORMAT"] = "json";
  EXPECT_EQ(load().config.log_format, LogFormat::json);
}

}  // namespace
}  // namespace famemely::app
