#include "app/settings_table.hpp"

#include <algorithm>

#include "app/setting_parsers.hpp"
#include "app/setting_sections.hpp"
#include "app/values.hpp"

namespace famemely::app {
namespace {

std::vector<Setting> make_table() {
  std::vector<Setting> table;
  const auto add = [&](const char* section, std::vector<Setting> rows) {
    for (Setting& row : rows) {
      row.section = section;
      table.push_back(std::move(row));
    }
  };
  add("Broker", broker_settings());
  add("Gateway", gateway_settings());
  add("Tokens and permissions", token_settings());
  add("Storage and limits", limit_settings());
  add("Logs and metrics", log_settings());
  return table;
}

}  // namespace

std::string Setting::flag() const {
  std::string text = "--" + yaml_key();
  std::ranges::replace(text, '_', '-');
  return text;
}

std::string Setting::yaml_key() const { return lower_case(name); }

const std::vector<Setting>& settings() {
  static const std::vector<Setting> table = make_table();
  return table;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(settings(), name, &Setting::name);
  return found == settings().end() ? nullptr : &*found;
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const Setting& setting : settings()) names.push_back(setting.name);
  return names;
}

Config default_config() {
  Config config;
  for (const Setting& setting : settings())
    if (!setting.fallback.empty()) setting.set(config, setting.fallback);
  return config;
}

std::string shown(const Setting& setting, std::string_view value) {
  switch (setting.secrecy) {
    case Secrecy::open:
      // A URL in the wrong place may have a password all the same.
      return value.find("://") == value.npos ? std::string(value) : hide_password(value);
    case Secrecy::password_inside:
      return hide_password(value);
    case Secrecy::secret:
      return "***";
  }
  return "***";
}

}  // namespace famemely::app
