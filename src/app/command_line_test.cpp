#include "app/command_line.hpp"

#include <gmock/gmock.h>

#include "app/dev_secret.hpp"
#include "app/surroundings_fixture.hpp"
#include "app/user_token.hpp"
#include "gateway/api_keys.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

class CommandLine : public SurroundingsFixture {
 protected:
  CommandLine() { around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_JWT_SECRET", kTestSecret}}; }

  Result<Command, CommandError> parse(const Arguments& arguments) {
    return parse_command_line(arguments, around_, random_);
  }
  Config served(const Arguments& arguments) {
    const auto command = parse(arguments);
    if (command && std::holds_alternative<Serve>(*command)) return std::get<Serve>(*command).config;
    ADD_FAILURE() << (command ? "not to serve" : command.error().message);
    return {};
  }
  std::string printed(const Arguments& arguments) {
    const auto command = parse(arguments);
    if (command && std::holds_alternative<PrintText>(*command)) return std::get<PrintText>(*command).text;
    ADD_FAILURE() << (command ? "not to print" : command.error().message);
    return {};
  }
  std::string refusal(const Arguments& arguments) {
    const auto command = parse(arguments);
    if (command) return "accepted";
    EXPECT_EQ(command.error().exit_status, 2);
    return command.error().message;
  }
  jwt::Claims claims_of(std::string token, const std::string& secret = kTestSecret) {
    EXPECT_TRUE(token.ends_with('\n'));
    token.pop_back();
    const auto claims = jwt::Verifier({.secret = secret}).verify(token, nullptr, around_.now);
    EXPECT_TRUE(claims) << claims.error().reason;
    return claims.value_or(jwt::Claims{});
  }
};

TEST_F(CommandLine, ServesWithoutArguments) { EXPECT_EQ(served({}).mqtt_host, "broker"); }

TEST_F(CommandLine, ReadsTheLogLevelWhateverBecameOfOtherFiles) {
  write("bad", "nonsense");
  const std::string bad = around_.directory / "bad";
  for (const char* name : {"TLS_CERT_FILE", "TLS_KEY_FILE", "PERMISSIONS_FILE", "API_KEYS_FILE"})
    around_.environment[name] = bad;
  around_.environment["SUPABASE_JWKS_URL"] = "file:" + bad;
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("TLS_CERT_FILE"), HasSubstr("PERMISSIONS_FILE"), HasSubstr("API_KEYS_FILE"),
                                 HasSubstr("SUPABASE_JWKS_URL")));
  write(".env", "LOG_LEVEL=debug\n");
  EXPECT_EQ(read_log_level({}, around_), LogLevel::debug);
  EXPECT_EQ(read_log_level({"--log-level", "error"}, around_), LogLevel::error);
  write(".env", "LOG_LEVEL=loud\n");
  EXPECT_THAT(read_log_level({}, around_).error(), HasSubstr("LOG_LEVEL=\"loud\""));
}

TEST_F(CommandLine, TakesEverySettingAsAFlag) {
  EXPECT_EQ(served({"--mqtt-host", "other"}).mqtt_host, "other");
  EXPECT_EQ(served({"--port=0"}).port, 0);
  EXPECT_EQ(served({"--port", "1", "--port", "2"}).port, 2);
  EXPECT_EQ(served({"--mqtt-password=-x y"}).mqtt_password, "-x y");
  EXPECT_EQ(served({"--cors-origins", "https://a,https://b"}).cors_origins.size(), 2U);
}

TEST_F(CommandLine, TakesEmptyFlags) {
  EXPECT_EQ(served({"--jwt-audience", ""}).jwt_audience, "");
  EXPECT_EQ(served({"--jwt-audience="}).jwt_audience, "");
  around_.environment["PORT"] = "1";
  EXPECT_EQ(served({"--port="}).port, 3001);
  EXPECT_EQ(served({"--port=", "--node-id", "n"}).node_id, "n");
  EXPECT_FALSE(served({"--mqtt-tls-insecure="}).mqtt_tls_insecure);
  EXPECT_THAT(refusal({"--unknown="}), HasSubstr("the flag --unknown is unknown"));
}

TEST_F(CommandLine, TakesTogglesWithAndWithoutAValue) {
  EXPECT_THAT(refusal({"--mqtt-tls-insecure"}), HasSubstr("MQTT_TLS_INSECURE=\"true\" (flag --mqtt-tls-insecure)"));
  EXPECT_THAT(refusal({"--mqtt-tls-insecure=maybe"}), HasSubstr("maybe"));
  EXPECT_EQ(refusal({"--mqtt-tls-insecure=false"}), "accepted");
}

TEST_F(CommandLine, RefusesUnknownFlagsWithTheNearestName) {
  EXPECT_EQ(refusal({"--mqtt-hots", "x"}),
            "the flag --mqtt-hots is unknown; the nearest known flag is --mqtt-host; see --help");
  EXPECT_THAT(refusal({"--prot=1"}), HasSubstr("the nearest known flag is --port"));
  EXPECT_THAT(refusal({"-x"}), HasSubstr("the flag -x is unknown"));
  EXPECT_THAT(refusal({"--sub", "u"}), HasSubstr("the flag --sub is unknown"));
  EXPECT_THAT(refusal({"token", "--sub", "u", "--rolle", "x"}), HasSubstr("the nearest known flag is --role"));
}

TEST_F(CommandLine, RefusesStrayArguments) {
  EXPECT_EQ(refusal({"serve"}), "the argument \"serve\" is not expected here; see --help");
  EXPECT_THAT(refusal({"token", "--sub", "u", "more"}), HasSubstr("\"more\""));
}

TEST_F(CommandLine, RefusesFlagsWithoutTheirValue) {
  EXPECT_THAT(refusal({"--port"}), HasSubstr("--port"));
  EXPECT_THAT(refusal({"--config"}), HasSubstr("--config"));
}

TEST_F(CommandLine, ReadsTheFilesItNames) {
  write("e", "PORT=1\n");
  write("c", "node_id: yaml\n");
  const Config config = served({"--env-file", "e", "--config", "c"});
  EXPECT_EQ(config.port, 1);
  EXPECT_EQ(config.node_id, "yaml");
  EXPECT_THAT(refusal({"--env-file", "missing"}), HasSubstr("--env-file missing: No such file"));
}

TEST_F(CommandLine, ChecksTheConfiguration) {
  around_.environment["MQTT_HOTS"] = "x";
  const auto command = parse({"--check-config"});
  ASSERT_TRUE(command);
  EXPECT_THAT(std::get<CheckConfig>(*command).warnings, ElementsAre(HasSubstr("MQTT_HOTS")));
  EXPECT_THAT(refusal({"--check-config", "--port", "x"}), HasSubstr("PORT=\"x\""));
}

TEST_F(CommandLine, PrintsTheConfiguration) {
  EXPECT_THAT(printed({"--print-config", "--port", "5"}),
              AllOf(HasSubstr("\nPORT=5\n"), HasSubstr("\nMQTT_HOST=broker\n")));
}

TEST_F(CommandLine, PrintsHelpVersionAndDocumentationWhateverTheConfiguration) {
  around_.environment = {{"PORT", "x"}};
  EXPECT_THAT(printed({"--help"}), HasSubstr("Usage:"));
  EXPECT_THAT(printed({"token", "-h"}), HasSubstr("Usage:"));
  EXPECT_THAT(printed({"--version"}), HasSubstr("famemely-mqtt "));
  EXPECT_THAT(printed({"--print-documentation"}), HasSubstr("# Configuration"));
}

TEST_F(CommandLine, MakesAnApiKeyWhateverTheConfiguration) {
  around_.environment = {{"PORT", "x"}};
  const std::string text = printed({"key", "create", "--name", "billing", "--role", "service_role"});
  const std::string key = text.substr(0, text.find('\n'));
  const auto keys = gateway::ApiKeys::parse(text.substr(key.size() + 1)).value();
  ASSERT_TRUE(keys.find(key)) << text;
  EXPECT_EQ(keys.find(key)->name, "billing");
  EXPECT_EQ(keys.find(key)->role, "service_role");
}

TEST_F(CommandLine, RefusesBadKeyRequests) {
  EXPECT_EQ(refusal({"key", "create", "--role", "r"}), "key create: --name N is missing");
  EXPECT_EQ(refusal({"key", "create", "--name", "n"}), "key create: --role R is missing");
  EXPECT_THAT(refusal({"key", "create", "--name", "a b", "--role", "r"}), HasSubstr("--name N is not allowed"));
  EXPECT_THAT(refusal({"key", "create", "--name", "n", "--roll", "r"}), HasSubstr("--role"));
  EXPECT_THAT(refusal({"key"}), HasSubstr("subcommand"));
}

TEST_F(CommandLine, MakesNoSecretForWhoVerifiesByOtherKeys) {
  around_.environment = {{"MQTT_HOST", "broker"}, {"SUPABASE_URL", "https://p.supabase.co"}};
  EXPECT_EQ(served({}).supabase_jwt_secret, "");
  EXPECT_FALSE(std::filesystem::exists(around_.directory / kDevSecretFile));
  EXPECT_EQ(refusal({"token", "--sub", "u"}),
            "token: there is no secret to sign with: set SUPABASE_JWT_SECRET, or try --dev");
}

TEST_F(CommandLine, MakesASecretForDevelopmentAndSignsWithIt) {
  around_.environment.clear();
  const std::string secret = served({"--dev"}).supabase_jwt_secret;
  EXPECT_GE(secret.size(), 32U);
  EXPECT_EQ(claims_of(printed({"token", "--sub", "me", "--dev"}), secret).subject, "me");
  EXPECT_EQ(served({"--dev"}).supabase_jwt_secret, secret);
}

TEST_F(CommandLine, MakesNoSecretToCheckOrPrint) {
  around_.environment.clear();
  EXPECT_TRUE(parse({"--dev", "--check-config"}));
  EXPECT_TRUE(parse({"--dev", "--print-config"}));
  EXPECT_FALSE(std::filesystem::exists(around_.directory / kDevSecretFile));
}

TEST_F(CommandLine, PrefersAConfiguredSecretForDevelopment) {
  EXPECT_EQ(served({"--dev"}).supabase_jwt_secret, kTestSecret);
  EXPECT_FALSE(std::filesystem::exists(around_.directory / kDevSecretFile));
}

TEST_F(CommandLine, SignsTokensWithoutABroker) {
  around_.environment.erase("MQTT_HOST");
  const jwt::Claims claims = claims_of(printed({"token", "--sub", "me"}));
  EXPECT_EQ(claims.subject, "me");
  EXPECT_EQ(claims.expires_at, WallTime(std::chrono::seconds(1'700'003'601)));
}

TEST_F(CommandLine, SignsTokensWithRoleExpiryAndClaims) {
  const jwt::Claims claims = claims_of(printed(
      {"token", "--sub", "me", "--role", "admin", "--expires", "90s", "--claim", "a={\"b\":1}", "--claim", "c=[]"}));
  EXPECT_EQ(
      claims.json,
      R"({"sub":"me","role":"admin","aud":"authenticated","iat":1700000000,"exp":1700000091,"a":{"b":1},"c":[]})");
}

TEST_F(CommandLine, RefusesBadTokenRequests) {
  EXPECT_THAT(refusal({"token"}), HasSubstr("--sub USER is missing"));
  EXPECT_THAT(refusal({"token", "--sub", ""}), HasSubstr("--sub USER is missing"));
  EXPECT_THAT(refusal({"token", "--sub", "u", "--expires", "soon"}), HasSubstr("--expires \"soon\""));
  EXPECT_THAT(refusal({"token", "--sub", "u", "--expires", "0"}), HasSubstr("--expires \"0\""));
  EXPECT_THAT(refusal({"token", "--sub", "u", "--claim", "plan=pro"}), HasSubstr("is not JSON"));
  EXPECT_THAT(refusal({"token", "--sub", "\xFF"}), HasSubstr("UTF-8"));
  around_.environment.clear();
  EXPECT_THAT(refusal({"token", "--sub", "u"}), HasSubstr("or try --dev"));
}

// --- permissions check ---

TEST_F(CommandLine, ExplainsAPermissionWithoutSecretOrBroker) {
  around_.environment.clear();
  const auto answer = [&](const Arguments& arguments) {
    const auto command = parse(arguments);
    if (!command) return "refused: " + command.error().message;
    const auto& text = std::get<PrintText>(*command);
    return std::to_string(text.exit_status) + " " + text.text;
  };
  EXPECT_EQ(answer({"permissions", "check", "--sub", "u1", "publish", "users/u1/a"}),
            "0 allowed: \"u1\" (role authenticated) may publish to users/u1/a\n"
            "rule 1 of the built-in policy\n"
            "  allow: [publish, subscribe], topic: users/{sub}/# (here users/u1/#)\n");
  EXPECT_EQ(answer({"permissions", "check", "--sub", "u1", "subscribe", "#"}),
            "1 denied: \"u1\" (role authenticated) may not subscribe to #\n"
            "rule 4 of the built-in policy\n"
            "  deny: [publish, subscribe], topic: app/users/#\n");
  EXPECT_THAT(answer({"permissions", "check", "--sub", "u1", "--role", "admin", "subscribe", "#"}),
              HasSubstr("allow: [publish, subscribe], roles: [admin, service_role], topic: #\n"));
  EXPECT_THAT(answer({"permissions", "check", "--sub", "u1", "publish", "$famemely/x"}),
              HasSubstr("\na topic of the gateway itself\n"));
  EXPECT_THAT(answer({"permissions", "check", "--sub", "u1", "--claim",
                      R"(app_metadata={"mqtt":{"publish":["users/u2/in"]}})", "publish", "users/u2/in"}),
              HasSubstr("0 allowed: \"u1\" (role authenticated) may publish to users/u2/in\nthe token's own list"));
}

TEST_F(CommandLine, NamesFileRuleAndLineOfAPermission) {
  write("p.yaml", "rules:\n  - deny: [publish]\n    topics: [a]\n  - allow: [publish]\n    topics: [\"t/{team}\"]\n");
  around_.environment["PERMISSIONS_FILE"] = "p.yaml";
  EXPECT_EQ(printed({"permissions", "check", "--sub", "u", "--claim", "team=\"red\"", "publish", "t/red"}),
            "allowed: \"u\" (role authenticated) may publish to t/red\nrule 2 (p.yaml:4)\n"
            "  allow: [publish], topic: t/{team} (here t/red)\n");
  EXPECT_EQ(printed({"permissions", "check", "--sub", "u", "publish", "t/red"}),
            "denied: \"u\" (role authenticated) may not publish to t/red\nno rule of p.yaml\n");
  write("gateway.yaml", "port: 1\npermissions:\n  rules:\n    - allow: [subscribe]\n      topics: [b]\n");
  around_.environment.erase("PERMISSIONS_FILE");
  EXPECT_THAT(printed({"permissions", "check", "--config", "gateway.yaml", "--sub", "u", "subscribe", "b"}),
              HasSubstr("rule 1 (gateway.yaml:4)"));
}

TEST_F(CommandLine, TakesAPermissionsClaimsFromAToken) {
  const std::string expired = make_token({.subject = "me", .role = "admin"}, served({}), WallTime{});
  EXPECT_THAT(printed({"permissions", "check", "--token", expired, "subscribe", "$SYS/#"}),
              HasSubstr("allowed: \"me\" (role admin)"));
}

TEST_F(CommandLine, RefusesBadPermissionQuestions) {
  EXPECT_THAT(refusal({"permissions"}), HasSubstr("permissions check (--token TOKEN | --sub USER"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "publish"}), HasSubstr("permissions check ("));
  EXPECT_THAT(refusal({"permissions", "check", "publish", "a"}), HasSubstr("one of --token TOKEN and --sub USER"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "--token", "t", "publish", "a"}), HasSubstr("one of"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "write", "a"}), HasSubstr("allowed: publish, subscribe"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "publish", "a/#"}), HasSubstr("topic must not"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "subscribe", "a/#/b"}), HasSubstr("# only as its last"));
  EXPECT_THAT(refusal({"permissions", "check", "--token", "nonsense", "publish", "a"}),
              HasSubstr("not a JSON Web Token"));
  EXPECT_THAT(refusal({"permissions", "check", "--token", "fmk_x", "publish", "a"}), HasSubstr("this is an API key"));
  EXPECT_THAT(refusal({"permissions", "check", "--sub", "u", "--permissions-file", "none.yaml", "publish", "a"}),
              HasSubstr("PERMISSIONS_FILE: none.yaml: No such file"));
}

TEST(ThisProcess, SeesItsEnvironmentAndDirectory) {
  const Surroundings around = this_process();
  EXPECT_TRUE(around.environment.contains("PATH"));
  EXPECT_EQ(around.directory, std::filesystem::current_path());
  EXPECT_FALSE(around.host_name.empty());
  EXPECT_GE(around.cores, 1U);
  EXPECT_GT(around.now, WallTime(std::chrono::seconds(1'700'000'000)));
}

}  // namespace
}  // namespace famemely::app
