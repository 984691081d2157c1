#include "famemely/settings_map.hpp"

#include <utility>

#include "app/settings_table.hpp"
#include "app/values.hpp"

namespace famemely {

Result<app::LoadedConfig, std::string> config_of(const std::map<std::string, std::string>& settings,
                                                 app::ConfigRequest purpose) {
  for (const auto& [name, value] : settings) {
    if (!app::find_setting(name))
      return failure("there is no setting " + name + "; the nearest is " +
                     app::nearest_name(name, app::setting_names()));
    purpose.flags.insert_or_assign(name, app::GivenValue{value, "option"});
  }
  purpose.reads_dotenv = false;
  app::Surroundings around = app::this_process();
  around.environment.clear();
  return app::load_config(purpose, around);
}

}  // namespace famemely
