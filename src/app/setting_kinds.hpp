#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings_table.hpp"

namespace famemely::app {

/// The kinds of rows that the table is made of: each pairs a notation and its bounds with a member of Config.

[[nodiscard]] Setting text_setting(std::string name, std::string Config::*member, std::string help);
[[nodiscard]] Setting file_setting(std::string name, std::string Config::*member, std::string help);
[[nodiscard]] Setting port_setting(std::string name, std::uint16_t Config::*member, std::uint16_t lowest,
                                   std::string help);
[[nodiscard]] Setting number_setting(std::string name, std::uint32_t Config::*member, std::uint32_t lowest,
                                     std::uint32_t highest, std::string help);
[[nodiscard]] Setting toggle_setting(std::string name, bool Config::*member, std::string help);
[[nodiscard]] Setting duration_setting(std::string name, std::chrono::milliseconds Config::*member,
                                       std::chrono::milliseconds lowest, std::chrono::milliseconds highest,
                                       std::string help);
[[nodiscard]] Setting size_setting(std::string name, std::size_t Config::*member, std::size_t lowest,
                                   std::size_t highest, std::string help);
/// A number, or `off`.
[[nodiscard]] Setting limit_setting(std::string name, std::optional<std::uint32_t> Config::*member, std::string help);
/// `N/s`, or `off`.
[[nodiscard]] Setting rate_setting(std::string name, std::optional<std::uint32_t> Config::*member, std::string help);

template <typename Value>
[[nodiscard]] Setting choice_setting(std::string name, Value Config::*member,
                                     std::vector<std::pair<std::string, Value>> choices, std::string help) {
  Setting row{.name = std::move(name), .section = {}, .kind = SettingKind::choice, .help = std::move(help)};
  for (const auto& [word, value] : choices) row.allowed += (row.allowed.empty() ? "" : ", ") + word;
  row.set = [member, choices](Config& config, std::string_view text) -> std::optional<std::string> {
    for (const auto& [word, value] : choices)
      if (word == text) {
        config.*member = value;
        return std::nullopt;
      }
    return "";
  };
  row.get = [member, choices](const Config& config) -> std::string {
    for (const auto& [word, value] : choices)
      if (value == config.*member) return word;
    return "";
  };
  return row;
}

}  // namespace famemely::app
