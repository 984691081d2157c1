#include "app/load_rules.hpp"

#include <gmock/gmock.h>

#include "app/settings_table.hpp"
#include "app/surroundings_fixture.hpp"

namespace famemely::app {
namespace {

using ::testing::HasSubstr;

class LoadRules : public SurroundingsFixture {
 protected:
  std::string fault_of(const std::string& file) {
    config_.permissions_file = file;
    const auto loaded = load_rules(config_, around_.directory);
    return loaded ? "none" : loaded.error();
  }
  std::vector<std::string> reserved() {
    std::vector<std::string> texts;
    const auto loaded = load_rules(config_, around_.directory);
    for (const auto& filter : loaded.value().rules.reserved) texts.push_back(filter.text());
    return texts;
  }

  Config config_ = default_config();
};

TEST_F(LoadRules, AreTheBuiltInOnesWithoutAFile) {
  EXPECT_EQ(load_rules(config_)->rules.rules, gateway::PermissionRules::built_in().rules);
}

TEST_F(LoadRules, ReserveTheTopicsOfTheGatewayWhereverTheyAreFrom) {
  write("p.yaml", "rules: []");
  config_.mqtt_fence_topic = "own/fence";
  for (const char* file : {"", "p.yaml"}) {
    config_.permissions_file = file;
    EXPECT_EQ(reserved(), (std::vector<std::string>{"$famemely/#", "famemely/fence/#", "own/fence"})) << file;
  }
}

TEST_F(LoadRules, MayStandInASection) {
  write("c.yaml", "port: 1\npermissions:\n  rules:\n    - 7\n");
  EXPECT_THAT(fault_of("c.yaml#permissions"), HasSubstr("c.yaml:4: rule 1 must have keys and values"));
  EXPECT_EQ(permissions_file_name(config_), "c.yaml");
  write("c.yaml", "port: 1\n");
  EXPECT_EQ(fault_of("c.yaml#permissions"), "c.yaml: the section permissions is missing");
}

TEST_F(LoadRules, SayWhyAFileCanNotBeHad) {
  EXPECT_EQ(fault_of("none.yaml"), "none.yaml: No such file or directory");
  write("large.yaml", std::string(kPermissionsFileBytesMax + 1, '#'));
  EXPECT_EQ(fault_of("large.yaml"), "large.yaml: it is over 4MB");
}

}  // namespace
}  // namespace famemely::app
