#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings_table.hpp"
#include "app/values.hpp"

namespace famemely::app {

/// The kinds of rows that the table is made of: each pairs a notation and its bounds with a member of Config.

inline constexpr std::size_t kKilobyte = 1000;
inline constexpr std::size_t kMegabyte = 1000 * kKilobyte;
inline constexpr std::size_t kGigabyte = 1000 * kMegabyte;

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

/// A text that a parser has to like first.
template <typename Check>
[[nodiscard]] Setting checked_text(std::string name, std::string Config::*member, std::string allowed, std::string help,
                                   Check check) {
  Setting setting = text_setting(std::move(name), member, std::move(help));
  setting.allowed = std::move(allowed);
  setting.set = [member, check](Config& config, std::string_view text) -> std::optional<std::string> {
    if (!check(text)) return "";
    config.*member = text;
    return std::nullopt;
  };
  return setting;
}

/// A list that a parser makes of the text.
template <typename Parse>
[[nodiscard]] Setting list_setting(std::string name, std::vector<std::string> Config::*member, std::string allowed,
                                   std::string help, Parse parse) {
  Setting setting{.name = std::move(name), .section = {}, .kind = SettingKind::list, .help = std::move(help)};
  setting.allowed = std::move(allowed);
  setting.set = [member, parse](Config& config, std::string_view text) -> std::optional<std::string> {
    auto items = parse(text);
    if (!items) return items.error();
    config.*member = std::move(*items);
    return std::nullopt;
  };
  setting.get = [member](const Config& config) { return join_list(config.*member); };
  return setting;
}

template <typename Value>
[[nodiscard]] Setting choice_setting(std::string name, Value Config::*member,
                                     const std::vector<std::pair<std::string, Value>>& choices, std::string help) {
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

// A row, and one thing more about it.

[[nodiscard]] Setting with_default(Setting setting, std::string fallback);
/// For the documentation, where no value says it.
[[nodiscard]] Setting with_default_words(Setting setting, std::string words);
[[nodiscard]] Setting unavailable(Setting setting, const char* why);
[[nodiscard]] Setting secret(Setting setting);

}  // namespace famemely::app
