#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "app/config.hpp"
#include "app/permissions_yaml.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// Ends a PERMISSIONS_FILE whose section `permissions` has the rules: such is the file of `--config`.
inline constexpr std::string_view kPermissionsSection = "#permissions";

/// The file of PERMISSIONS_FILE, without the name of the section; empty if there is none.
[[nodiscard]] std::string permissions_file_name(const Config& config);

/// The rules that this configuration wants: those of its file or the built-in ones, MQTT_FENCE_TOPIC reserved. The
/// file's name is relative to the directory.
[[nodiscard]] Result<LoadedRules, std::string> load_rules(const Config& config,
                                                          const std::filesystem::path& directory = {});

}  // namespace famemely::app
