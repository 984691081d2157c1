#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <set>

#include "app/config_sources.hpp"
#include "app/load_rules.hpp"
#include "app/values.hpp"

namespace famemely::app {
namespace {

constexpr std::array<std::string_view, 2> kLaterSections{"history", "limits"};
constexpr std::array<std::string_view, 2> kReservedSections{"brokers", "sinks"};

std::string place(const std::string& file, const YAML::Mark& mark) {
  return file + ":" + std::to_string(mark.line + 1);
}

/// What is wrong with a key that is no setting's.
std::string key_fault(const std::string& key) {
  const auto is_in = [&](const auto& names) { return std::ranges::find(names, key) != names.end(); };
  if (is_in(kLaterSections)) return "the section \"" + key + "\" is not available in this version; leave it out";
  if (is_in(kReservedSections)) return "the section \"" + key + "\" is reserved; leave it out";
  std::vector<std::string> keys;
  for (const Setting& setting : settings()) keys.push_back(setting.yaml_key());
  return "the key \"" + key + "\" is unknown; the nearest known key is " + nearest_name(key, keys);
}

const Setting* setting_of_key(const std::string& key) {
  const auto found =
      std::ranges::find_if(settings(), [&](const Setting& setting) { return setting.yaml_key() == key; });
  return found == settings().end() ? nullptr : &*found;
}

/// The value as a variable would have it; lists may be written as sequences.
std::optional<std::string> value_text(const Setting& setting, const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  if (!node.IsSequence() || setting.kind != SettingKind::list) return std::nullopt;
  std::vector<std::string> items;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) return std::nullopt;
    items.push_back(item.Scalar());
  }
  return join_list(items);
}

void add_members(const YAML::Node& root, const std::string& file, GivenValues& given, Findings& findings) {
  if (root.IsNull()) return;
  if (!root.IsMap()) {
    findings.faults.push_back(place(file, root.Mark()) +
                              ": the file must hold keys and values, such as mqtt_host: broker");
    return;
  }
  std::set<std::string> seen;
  for (const auto& member : root) {
    const std::string source = place(file, member.first.Mark());
    const std::string key = member.first.IsScalar() ? member.first.Scalar() : "";
    const Setting* setting = setting_of_key(key);
    if (!seen.insert(key).second) {
      findings.faults.push_back(source + ": the key \"" + key + "\" stands twice");
    } else if (key == "permissions") {
      if (seen.contains("permissions_file"))
        findings.faults.push_back(source + ": permissions and permissions_file are both set; leave one out");
      given.insert_or_assign("PERMISSIONS_FILE", GivenValue{file + std::string(kPermissionsSection), source});
    } else if (setting == nullptr) {
      findings.faults.push_back(source + ": " + key_fault(key));
    } else if (key == "permissions_file" && seen.contains("permissions")) {
      findings.faults.push_back(source + ": permissions and permissions_file are both set; leave one out");
    } else if (!member.second.IsNull()) {
      const auto text = value_text(*setting, member.second);
      if (!text)
        findings.faults.push_back(source + ": " + key + " must be a single value; allowed: " + setting->allowed);
      else if (!text->empty() || setting->empty_counts)
        given.insert_or_assign(setting->name, GivenValue{*text, source});
    }
  }
}

}  // namespace

void add_yaml(std::string_view text, const std::string& file, GivenValues& given, Findings& findings) {
  try {
    add_members(YAML::Load(std::string(text)), file, given, findings);
  } catch (const YAML::Exception& exception) {
    findings.faults.push_back(place(file, exception.mark) + ": not valid YAML: " + exception.msg);
  }
}

}  // namespace famemely::app
