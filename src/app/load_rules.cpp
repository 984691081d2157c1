#include "app/load_rules.hpp"

#include <utility>

#include "app/config_sources.hpp"

namespace famemely::app {

std::string permissions_file_name(const Config& config) {
  std::string name = config.permissions_file;
  if (name.ends_with(kPermissionsSection)) name.resize(name.size() - kPermissionsSection.size());
  return name;
}

Result<LoadedRules, std::string> load_rules(const Config& config, const std::filesystem::path& directory) {
  LoadedRules loaded{.rules = gateway::PermissionRules::built_in()};
  if (!config.permissions_file.empty()) {
    const std::string name = permissions_file_name(config);
    const auto text = read_config_file(directory / name, kPermissionsFileBytesMax);
    if (!text) return failure(name + ": " + text.error());
    auto parsed = parse_permissions(*text, name, name != config.permissions_file);
    if (!parsed) return failure(std::move(parsed.error()));
    loaded = *std::move(parsed);
  }
  loaded.rules.reserved = gateway::PermissionRules::always_reserved();
  if (!config.mqtt_fence_topic.empty())
    loaded.rules.reserved.push_back(mqtt::TopicFilter::parse(config.mqtt_fence_topic).value());
  return loaded;
}

}  // namespace famemely::app
