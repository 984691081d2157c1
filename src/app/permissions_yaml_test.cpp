#include "app/permissions_yaml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace famemely::app {
namespace {

using gateway::ClaimCondition;
using gateway::PermissionRule;
using gateway::PermissionRules;
using Effect = PermissionRule::Effect;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

PermissionRules read(std::string_view text) {
  auto loaded = parse_permissions(text, "p.yaml");
  if (!loaded) {
    ADD_FAILURE() << loaded.error();
    return {};
  }
  EXPECT_THAT(loaded->warnings, IsEmpty());
  return std::move(loaded->rules);
}
std::string fault_of(std::string_view text) {
  const auto loaded = parse_permissions(text, "p.yaml");
  return loaded ? "none" : loaded.error();
}

/// The file of the contract, which is the built-in policy as well.
constexpr std::string_view kContract = R"(rules:
  - allow: [publish, subscribe]
    topics: ["app/users/{sub}/#", "users/{sub}/#", "notifications/{sub}", "notifications/{sub}/#",
             "app/chat/direct/{sub}/+", "app/chat/direct/+/{sub}"]
  - allow: [publish, subscribe]
    roles: [admin, service_role]
    topics: ["#", "$SYS/#"]
  - allow: [subscribe]
    topics: ["app/users/+/status", "users/+/status"]
  - deny: [publish, subscribe]
    topics: ["app/users/#", "users/#", "notifications/#", "app/chat/direct/#", "$SYS/#"]
  - deny: [publish]
    topics: ["app/broadcast/#"]
  - allow: [publish, subscribe]
    topics: ["#"]
)";

TEST(PermissionsYaml, TheContractsFileIsTheBuiltInPolicy) {
  PermissionRules rules = read(kContract);
  std::vector<std::size_t> lines;
  for (PermissionRule& rule : rules.rules) lines.push_back(std::exchange(rule.line, 0));
  EXPECT_THAT(lines, ElementsAre(2, 5, 8, 10, 12, 14));
  EXPECT_EQ(rules.rules, PermissionRules::built_in().rules);
  EXPECT_EQ(rules.source, "p.yaml");
}

TEST(PermissionsYaml, TheDocumentsExampleIsTheBuiltInPolicy) {
  std::ifstream file(std::string(FAMEMELY_SOURCE_DIR) + "/docs/permissions.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr(std::string(kContract)));
}

TEST(PermissionsYaml, NoRulesAreAllowed) { EXPECT_THAT(read("rules: []").rules, IsEmpty()); }

TEST(PermissionsYaml, TakesClaimsOfEveryKind) {
  const PermissionRules rules = read(R"(rules:
  - allow: [subscribe]
    claims: {aal: aal2, is_anonymous: false, app_metadata.level: 7, quoted: "false", number: "7", gone: null, empty: ~}
    topics: ["a"]
)");
  std::vector<std::pair<std::string, ClaimCondition::Value>> found;
  for (const ClaimCondition& claim : rules.rules.at(0).claims) found.emplace_back(claim.claim.text(), claim.value);
  const std::vector<std::pair<std::string, ClaimCondition::Value>> expected{
      {"aal", "aal2"},
      {"is_anonymous", false},
      {"app_metadata.level", *Decimal::parse("7")},
      {"quoted", "false"},
      {"number", "7"},
      {"gone", std::monostate{}},
      {"empty", std::monostate{}}};
  EXPECT_EQ(found, expected);
}

struct FaultCase {
  std::string_view text;
  std::string_view fault;
};
class PermissionsYamlFault : public testing::TestWithParam<FaultCase> {};

TEST_P(PermissionsYamlFault, NamesLineKeyAndWhatIsAllowed) {
  EXPECT_THAT(fault_of(GetParam().text), HasSubstr(std::string(GetParam().fault)));
}

INSTANTIATE_TEST_SUITE_P(
    Files, PermissionsYamlFault,
    testing::Values(FaultCase{"", "the file must hold one document with the key rules; it holds none"},
                    FaultCase{"rules: []\n---\nrules: []", "it holds more"},
                    FaultCase{"- a", "p.yaml:1: the file must hold the key rules"},
                    FaultCase{"{}", "p.yaml:1: the key rules is missing"},
                    FaultCase{"rules: []\nrules: []", "p.yaml:2: the key rules stands twice"},
                    FaultCase{"rules: []\nrule: []", "p.yaml:2: the key \"rule\" is unknown; allowed: rules"},
                    FaultCase{"rules: {}", "p.yaml:1: rules must be a list"},
                    FaultCase{"rules:", "rules must be a list"}, FaultCase{"rules: [", "p.yaml:1: not valid YAML: "},
                    FaultCase{"\nrules: &a [*a]", "p.yaml:2: not valid YAML: aliases"},
                    FaultCase{"rules:\n  - allow: [publish]\n    topics: [*]", "p.yaml:3: not valid YAML"}));

INSTANTIATE_TEST_SUITE_P(
    Rules, PermissionsYamlFault,
    testing::Values(
        FaultCase{"rules:\n  - 7",
                  "p.yaml:2: rule 1 must have keys and values; allowed: allow or deny, topics, roles, claims"},
        FaultCase{"rules:\n  - topics: [a]", "p.yaml:2: rule 1 must have one of the keys allow and deny"},
        FaultCase{"rules:\n  - allow: [publish]\n    deny: [publish]\n    topics: [a]",
                  "one of the keys allow and deny"},
        FaultCase{"rules:\n  - allow: [publish]", "p.yaml:2: rule 1: the key topics is missing"},
        FaultCase{"rules:\n  - allow: [publish]\n    topic: [a]",
                  "p.yaml:3: rule 1: the key \"topic\" is unknown; allowed: allow or deny"},
        FaultCase{"rules:\n  - allow: [publish]\n    allow: [publish]\n    topics: [a]",
                  "p.yaml:3: rule 1: the key \"allow\" stands twice"},
        FaultCase{"rules:\n  - allow: [write]\n    topics: [a]",
                  "p.yaml:2: rule 1: allow holds \"write\"; allowed: publish, subscribe"},
        FaultCase{"rules:\n  - allow: publish\n    topics: [a]", "rule 1: allow must be a list and not be empty"},
        FaultCase{"rules:\n  - allow: [publish, publish]\n    topics: [a]", "publish stands twice in allow"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: []",
                  "p.yaml:3: rule 1: topics must be a list and not be empty"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [[a]]", "rule 1: topics must hold texts"},
        FaultCase{
            "rules:\n  - allow: [publish]\n    topics: [a]\n  - deny: [publish]\n    topics: [\"a/#/b\"]",
            "p.yaml:5: rule 2: topics holds \"a/#/b\": topic must hold # only as its last level; allowed: filters"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [\"{sub\"]", "a `{` without its `}`"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    roles: []",
                  "p.yaml:4: rule 1: roles must be a list"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    roles: admin", "roles must be a list"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    claims: [aal]",
                  "p.yaml:4: rule 1: claims must have keys and values"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    claims: {aal: [a]}",
                  "the claim \"aal\" must be a single value; allowed: a text, number, boolean or null"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    claims: {a..b: 1}", "the claim \"a..b\": "},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    claims: {on_duty: yes}",
                  "the claim \"on_duty\" yes may be meant as a text or not; allowed: \"yes\" in quotes, true, false"},
        FaultCase{"rules:\n  - allow: [publish]\n    topics: [a]\n    claims: {a: 1, a: 2}",
                  "the claim \"a\" stands twice"}));

TEST(PermissionsYaml, TellsAllFaultsUpToABound) {
  std::string text = "rules:\n";
  for (int i = 0; i < 25; ++i) text += "  - 7\n";
  const std::string fault = fault_of(text);
  EXPECT_THAT(fault, HasSubstr("p.yaml:2: "));
  EXPECT_THAT(fault, HasSubstr("p.yaml:21: "));
  EXPECT_THAT(fault, Not(HasSubstr("p.yaml:22: ")));
  EXPECT_THAT(fault, HasSubstr("… and 5 more"));
}

TEST(PermissionsYaml, LongTextsAreShortenedInFaults) {
  EXPECT_LT(fault_of("rules:\n  - allow: [publish]\n    topics: [\"" + std::string(100'000, 'x') + "\"]").size(), 500U);
}

TEST(PermissionsYaml, HasBounds) {
  EXPECT_THAT(fault_of(std::string(kPermissionsFileBytesMax + 1, '#')), HasSubstr("allowed: 4000000"));
  std::string rules = "rules:\n";
  for (std::size_t i = 0; i <= kPermissionRulesMax; ++i) rules += "- {}\n";
  EXPECT_THAT(fault_of(rules), HasSubstr("rules has 20001 entries; allowed: 20000"));
  std::string topics = "rules:\n- allow: [publish]\n  topics: [";
  for (std::size_t i = 0; i < kPermissionTopicsMax; ++i) topics += "a,";
  EXPECT_THAT(fault_of(topics + "a]"), HasSubstr("topics has 100001 entries"));
  const std::string half = topics.substr(7, topics.size() - 7) + "]\n";
  EXPECT_THAT(fault_of("rules:\n" + half + "- allow: [publish]\n  topics: [a]\n"),
              HasSubstr("more than 100000 topics"));
  std::string roles = "rules:\n- allow: [publish]\n  topics: [a]\n  roles: [";
  for (std::size_t i = 0; i <= kPermissionRolesMax; ++i) roles += "r,";
  EXPECT_THAT(fault_of(roles + "r]"), HasSubstr("roles has 102 entries; allowed: 100"));
  std::string claims = "rules:\n- allow: [publish]\n  topics: [a]\n  claims: {";
  for (std::size_t i = 0; i <= kPermissionClaimsMax; ++i) claims += "c" + std::to_string(i) + ": 1,";
  EXPECT_THAT(fault_of(claims + "}"), HasSubstr("claims has 21 entries; allowed: 20"));
}

TEST(PermissionsYaml, WarnsOfClaimsThatUsersWriteThemselves) {
  const auto loaded = parse_permissions(
      "rules:\n- allow: [publish]\n  topics: [\"{user_metadata.team}/#\"]\n  claims: {user_metadata.ok: true}\n",
      "p.yaml");
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->warnings,
              ElementsAre("p.yaml:3: rule 1: user_metadata.team is written by users themselves; app_metadata is not",
                          "p.yaml:4: rule 1: user_metadata.ok is written by users themselves; app_metadata is not"));
}

TEST(PermissionsYaml, FaultsAreTextWhateverTheFileHolds) {
  EXPECT_EQ(fault_of("rules: [\xFF]"), "p.yaml: the file must be UTF-8");
  EXPECT_EQ(fault_of("rules: [\"\\\xC3\xA4\"]"), "p.yaml:1: not valid YAML: a character that is not allowed there");
}

TEST(PermissionsYaml, BrokenTextsComeToAnEnd) { EXPECT_THAT(fault_of(", \"]"), HasSubstr("it holds more")); }

TEST(PermissionsYaml, NeverThrowsForDeepNesting) {
  EXPECT_THAT(fault_of("rules: " + std::string(10'000, '[')), HasSubstr("not valid YAML"));
}

}  // namespace
}  // namespace famemely::app
