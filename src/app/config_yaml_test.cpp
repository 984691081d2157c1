#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config_sources.hpp"

namespace famemely::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Read {
  GivenValues given;
  Findings findings;
};

Read read(std::string_view text) {
  Read result;
  add_yaml(text, "f.yaml", result.given, result.findings);
  return result;
}

TEST(ConfigYaml, TakesVariablesInLowerCase) {
  const Read result = read("# comment\nmqtt_host: broker\nport: 3002\nmqtt_tls_insecure: true\nlog_level: 'debug'\n");
  EXPECT_THAT(result.findings.faults, IsEmpty());
  EXPECT_EQ(result.given, (GivenValues{{"MQTT_HOST", {"broker", "f.yaml:2"}},
                                       {"PORT", {"3002", "f.yaml:3"}},
                                       {"MQTT_TLS_INSECURE", {"true", "f.yaml:4"}},
                                       {"LOG_LEVEL", {"debug", "f.yaml:5"}}}));
}

TEST(ConfigYaml, TakesSequencesForLists) {
  EXPECT_EQ(read("cors_origins: [https://a, https://b]").given.at("CORS_ORIGINS").text, "https://a,https://b");
  EXPECT_EQ(read("cors_origins:\n  - https://a\n").given.at("CORS_ORIGINS").text, "https://a");
  EXPECT_EQ(read("cors_origins: https://a,https://b").given.at("CORS_ORIGINS").text, "https://a,https://b");
}

TEST(ConfigYaml, TakesEmptyForUnsetButForTheAudience) {
  EXPECT_THAT(read("mqtt_username:\nmqtt_password: ''\nnode_id: ~\njwt_audience:\n").given, IsEmpty());
  EXPECT_EQ(read("jwt_audience: ''").given.at("JWT_AUDIENCE").text, "");
}

TEST(ConfigYaml, TakesAnEmptyFile) {
  for (std::string_view text : {"", "# nothing\n", "---\n"}) {
    const Read result = read(text);
    EXPECT_THAT(result.findings.faults, IsEmpty());
    EXPECT_THAT(result.given, IsEmpty());
  }
}

TEST(ConfigYaml, RefusesUnknownKeysWithFileLineAndTheNearestName) {
  EXPECT_THAT(read("port: 1\nmqtt_hots: x\n").findings.faults,
              ElementsAre("f.yaml:2: the key \"mqtt_hots\" is unknown; the nearest known key is mqtt_host"));
  EXPECT_THAT(read("MQTT_HOST: x\n").findings.faults,
              ElementsAre("f.yaml:1: the key \"MQTT_HOST\" is unknown; the nearest known key is mqtt_host"));
}

TEST(ConfigYaml, RefusesSectionsOfLaterVersions) {
  for (std::string section : {"history", "limits"})
    EXPECT_THAT(
        read(section + ": {}").findings.faults,
        ElementsAre("f.yaml:1: the section \"" + section + "\" is not available in this version; leave it out"));
  for (std::string section : {"brokers", "sinks"})
    EXPECT_THAT(read(section + ": []").findings.faults,
                ElementsAre("f.yaml:1: the section \"" + section + "\" is reserved; leave it out"));
}

TEST(ConfigYaml, ASectionStandsForThePermissionsFile) {
  const Read result = read("port: 1\npermissions:\n  rules: []\n");
  EXPECT_THAT(result.findings.faults, IsEmpty());
  EXPECT_EQ(result.given.at("PERMISSIONS_FILE"), (GivenValue{"f.yaml#permissions", "f.yaml:2"}));
  for (const char* both :
       {"permissions: {}\npermissions_file: p.yaml\n", "permissions_file: p.yaml\npermissions: {}\n"})
    EXPECT_THAT(read(both).findings.faults,
                ElementsAre("f.yaml:2: permissions and permissions_file are both set; leave one out"));
}

TEST(ConfigYaml, RefusesRepeatedKeys) {
  EXPECT_THAT(read("port: 1\nport: 2\n").findings.faults, ElementsAre("f.yaml:2: the key \"port\" stands twice"));
}

TEST(ConfigYaml, RefusesStructuresWhereASingleValueBelongs) {
  EXPECT_THAT(read("port: [1]").findings.faults, ElementsAre(HasSubstr("f.yaml:1: port must be a single value")));
  EXPECT_THAT(read("mqtt_host: {a: b}").findings.faults, ElementsAre(HasSubstr("mqtt_host must be a single value")));
  EXPECT_THAT(read("cors_origins: [[a]]").findings.faults, ElementsAre(HasSubstr("must be a single value")));
}

TEST(ConfigYaml, RefusesWhatHoldsNoKeys) {
  EXPECT_THAT(read("- a\n").findings.faults, ElementsAre(HasSubstr("must hold keys and values")));
  EXPECT_THAT(read("text").findings.faults, ElementsAre(HasSubstr("must hold keys and values")));
}

TEST(ConfigYaml, SaysWhereTheSyntaxIsBroken) {
  EXPECT_THAT(read("port: 1\nhost: [a\n").findings.faults, ElementsAre(HasSubstr("not valid YAML")));
  EXPECT_THAT(read("port: 1\n\tx: y\n").findings.faults, ElementsAre(HasSubstr("f.yaml:2: not valid YAML")));
  EXPECT_THAT(read(std::string(100000, '[')).findings.faults, ElementsAre(HasSubstr("not valid YAML")));
}

}  // namespace
}  // namespace famemely::app
