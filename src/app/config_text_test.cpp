#include "app/config_text.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "app/load_config.hpp"
#include "app/surroundings_fixture.hpp"

namespace famemely::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PrintConfig : public SurroundingsFixture {
 protected:
  Config load() const {
    auto loaded = load_config({}, around_);
    EXPECT_TRUE(loaded) << loaded.error();
    return loaded ? loaded->config : Config{};
  }
};

TEST_F(PrintConfig, CanBeReadBackAsDotenv) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret},
                         {"MQTT_URL", "mqtt://it's%23me@broker:1884"},
                         {"MQTT_CLIENT_ID", "a 'b' \"c\" # d"},
                         {"NODE_ID", "back\\slash"},
                         {"HOST", "localhost"},
                         {"JWT_AUDIENCE", ""},
                         {"CORS_ORIGINS", "https://a,https://b"},
                         {"MQTT_KEEPALIVE", "1500ms"},
                         {"LOG_LEVEL", "trace"},
                         {"WORKERS", "3"}};
  const Config before = load();
  write(".env", print_config(before));
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret}};
  around_.host_name = "elsewhere";
  around_.cores = 9;
  around_.stderr_is_terminal = true;
  EXPECT_EQ(load(), before);
}

TEST_F(PrintConfig, MasksSecrets) {
  around_.environment = {{"SUPABASE_JWT_SECRET", kTestSecret},
                         {"MQTT_URL", "mqtt://me:hunter2@broker"},
                         {"FAMEMELY_DATABASE_URL", "postgres://me:hunter2@h/d"}};
  const std::string text = print_config(load());
  EXPECT_THAT(text, AllOf(Not(HasSubstr("hunter2")), Not(HasSubstr(kTestSecret))));
  EXPECT_THAT(text, AllOf(HasSubstr("\n# SUPABASE_JWT_SECRET=***\n"), HasSubstr("\n# MQTT_PASSWORD=***\n"),
                          HasSubstr("\n# FAMEMELY_DATABASE_URL=postgres://me:***@h/d\n"),
                          HasSubstr("\nMQTT_USERNAME=me\n"), HasSubstr("\nMETRICS_TOKEN=\n")));
}

TEST(Help, NamesEverySettingAndStaysInItsColumns) {
  const std::string help = help_text();
  for (const Setting& setting : settings()) EXPECT_THAT(help, HasSubstr("\n  " + setting.flag()));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 110U) << line;
}

TEST(ConfigurationDocument, IsTheCommittedFile) {
  std::ifstream file(FAMEMELY_SOURCE_DIR "/docs/configuration.md");
  std::ostringstream content;
  content << file.rdbuf();
  EXPECT_TRUE(content.str() == configuration_document())
      << "run: famemely-mqtt --print-documentation > docs/configuration.md";
}

}  // namespace
}  // namespace famemely::app
