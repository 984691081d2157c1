#include "app/config_sources.hpp"

#include <gmock/gmock.h>

#include "app/surroundings_fixture.hpp"

namespace famemely::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Read {
  GivenValues given;
  Findings findings;
};

Read dotenv(std::string_view text) {
  Read result;
  add_dotenv(text, ".env", result.given, result.findings);
  return result;
}

Read environment(const std::map<std::string, std::string>& variables) {
  Read result;
  add_environment(variables, result.given, result.findings);
  return result;
}

TEST(DotenvSource, IgnoresForeignKeys) {
  const Read result = dotenv("DATABASE_URL=\"x\nMQTT_HOST=broker\nNEXT_PUBLIC_X=#\n");
  EXPECT_EQ(result.given, (GivenValues{{"MQTT_HOST", {"broker", ".env:2"}}}));
  EXPECT_THAT(result.findings.faults, IsEmpty());
  EXPECT_THAT(result.findings.warnings, IsEmpty());
}

TEST(DotenvSource, TakesEmptyForUnsetButForTheAudience) {
  const Read result = dotenv("MQTT_USERNAME=   # Optional\nJWT_AUDIENCE=\n");
  EXPECT_EQ(result.given, (GivenValues{{"JWT_AUDIENCE", {"", ".env:2"}}}));
}

TEST(DotenvSource, WarnsOfUnknownMqttKeysWithTheNearestName) {
  EXPECT_THAT(dotenv("MQTT_USER_NAME=x").findings.warnings,
              ElementsAre("MQTT_USER_NAME (.env:1) is unknown and ignored; the nearest known name is MQTT_USERNAME"));
}

TEST(DotenvSource, WarnsOfLinesItCannotReadAndOfCutValues) {
  EXPECT_THAT(dotenv("MQTT_HOST broker\nMQTT_PASSWORD=a#b\nOTHER=a#b").findings.warnings,
              ElementsAre(".env:1: this line is not KEY=VALUE and is ignored", HasSubstr("MQTT_PASSWORD (.env:2)")));
}

TEST(DotenvSource, RefusesOurKeysWithBadQuotes) {
  EXPECT_THAT(dotenv("MQTT_PASSWORD=\"abc\n").findings.faults, ElementsAre(HasSubstr("MQTT_PASSWORD (.env:1)")));
}

TEST(EnvironmentSource, TakesOurNamesAndWarnsOfUnknownMqttOnes) {
  const Read result = environment({{"MQTT_HOST", "broker"}, {"PATH", "/bin"}, {"MQTT_PROT", "1"}, {"PORT", ""}});
  EXPECT_EQ(result.given, (GivenValues{{"MQTT_HOST", {"broker", "environment"}}}));
  EXPECT_THAT(result.findings.warnings,
              ElementsAre("MQTT_PROT (environment) is unknown and ignored; the nearest known name is MQTT_PORT"));
}

TEST(EnvironmentSource, IsSilentAboutTheServiceLinksOfKubernetes) {
  EXPECT_THAT(environment({{"MQTT_SERVICE_HOST", "10.0.0.5"},
                           {"MQTT_SERVICE_PORT", "1883"},
                           {"MQTT_SERVICE_PORT_MQTT", "1883"},
                           {"MQTT_PORT_1883_TCP", "tcp://10.0.0.5:1883"},
                           {"MQTT_PORT_1883_TCP_ADDR", "10.0.0.5"}})
                  .findings.warnings,
              IsEmpty());
}

TEST(Describe, ShowsNoSecretsAndNoRawControlCharacters) {
  EXPECT_EQ(describe(*find_setting("PORT"), {"30\r\n", "environment"}), "PORT=\"30\\r\\n\" (environment)");
  EXPECT_EQ(describe(*find_setting("PORT"), {"\xFF", "environment"}), "PORT=\"(not UTF-8)\" (environment)");
  EXPECT_EQ(describe(*find_setting("MQTT_PASSWORD"), {"x", ".env:1"}), "MQTT_PASSWORD=\"***\" (.env:1)");
}

using ConfigFile = SurroundingsFixture;

TEST_F(ConfigFile, IsReadWhole) {
  write("f", std::string(kConfigFileBytesMax, 'x'));
  EXPECT_EQ(read_config_file(around_.directory / "f"), std::string(kConfigFileBytesMax, 'x'));
}

TEST_F(ConfigFile, IsRefusedWhenMissingTooLargeOrADirectory) {
  EXPECT_EQ(read_config_file(around_.directory / "missing").error(), "No such file or directory");
  EXPECT_EQ(read_config_file(around_.directory).error(), "it is a directory");
  write("f", std::string(kConfigFileBytesMax + 1, 'x'));
  EXPECT_EQ(read_config_file(around_.directory / "f").error(), "it is over 1MB");
}

}  // namespace
}  // namespace famemely::app
