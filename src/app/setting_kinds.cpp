#include "app/setting_kinds.hpp"

#include <fmt/format.h>

#include <limits>

#include "app/values.hpp"

namespace famemely::app {
namespace {

/// The setter's answer when `allowed` says it all.
const std::optional<std::string> kNotAllowed = "";
const std::optional<std::string> kTaken = std::nullopt;

constexpr std::uint64_t kRateMax = 1'000'000;  // a second

std::string range(std::uint64_t lowest, std::uint64_t highest) {
  return std::to_string(lowest) + " to " + std::to_string(highest);
}

Setting row(std::string name, SettingKind kind, std::string help) {
  return {.name = std::move(name), .section = {}, .kind = kind, .help = std::move(help)};
}

}  // namespace

Setting text_setting(std::string name, std::string Config::*member, std::string help) {
  Setting setting = row(std::move(name), SettingKind::text, std::move(help));
  setting.allowed = "a text";
  setting.set = [member](Config& config, std::string_view text) {
    config.*member = text;
    return kTaken;
  };
  setting.get = [member](const Config& config) { return config.*member; };
  return setting;
}

Setting file_setting(std::string name, std::string Config::*member, std::string help) {
  Setting setting = text_setting(std::move(name), member, std::move(help));
  setting.kind = SettingKind::file;
  setting.allowed = "the name of a file";
  return setting;
}

Setting port_setting(std::string name, std::uint16_t Config::*member, std::uint16_t lowest, std::string help) {
  Setting setting = row(std::move(name), SettingKind::number, std::move(help));
  setting.allowed = "a port, " + range(lowest, 65535);
  setting.set = [=](Config& config, std::string_view text) {
    const auto value = parse_number(text);
    if (!value || *value < lowest || *value > 65535) return kNotAllowed;
    config.*member = static_cast<std::uint16_t>(*value);
    return kTaken;
  };
  // Where 0 is not allowed it stands for "unset".
  setting.get = [=](const Config& config) {
    return config.*member < lowest ? std::string() : std::to_string(config.*member);
  };
  return setting;
}

Setting number_setting(std::string name, std::uint32_t Config::*member, std::uint32_t lowest, std::uint32_t highest,
                       std::string help) {
  Setting setting = row(std::move(name), SettingKind::number, std::move(help));
  setting.allowed = "a number, " + range(lowest, highest);
  setting.set = [=](Config& config, std::string_view text) {
    const auto value = parse_number(text);
    if (!value || *value < lowest || *value > highest) return kNotAllowed;
    config.*member = static_cast<std::uint32_t>(*value);
    return kTaken;
  };
  setting.get = [member](const Config& config) { return std::to_string(config.*member); };
  return setting;
}

Setting toggle_setting(std::string name, bool Config::*member, std::string help) {
  Setting setting = row(std::move(name), SettingKind::toggle, std::move(help));
  setting.allowed = "true, false";
  setting.fallback = "false";
  setting.set = [member](Config& config, std::string_view text) {
    const auto value = parse_toggle(text);
    if (!value) return kNotAllowed;
    config.*member = *value;
    return kTaken;
  };
  setting.get = [member](const Config& config) { return std::string(config.*member ? "true" : "false"); };
  return setting;
}

Setting duration_setting(std::string name, std::chrono::milliseconds Config::*member, std::chrono::milliseconds lowest,
                         std::chrono::milliseconds highest, std::string help) {
  Setting setting = row(std::move(name), SettingKind::duration, std::move(help));
  setting.allowed = "a duration, " + format_duration(lowest) + " to " + format_duration(highest) +
                    ", in ms, s, m, h or d (a bare number is seconds)";
  setting.set = [=](Config& config, std::string_view text) {
    const auto value = parse_duration(text);
    if (!value || *value < lowest || *value > highest) return kNotAllowed;
    config.*member = *value;
    return kTaken;
  };
  setting.get = [member](const Config& config) { return format_duration(config.*member); };
  return setting;
}

Setting size_setting(std::string name, std::size_t Config::*member, std::size_t lowest, std::size_t highest,
                     std::string help) {
  Setting setting = row(std::move(name), SettingKind::size, std::move(help));
  setting.allowed = "a size, " + format_size(lowest) + " to " + format_size(highest) +
                    ", in B, KB, MB or GB (powers of 1000; a bare number is bytes)";
  setting.set = [=](Config& config, std::string_view text) {
    const auto value = parse_size(text);
    if (!value || *value < lowest || *value > highest) return kNotAllowed;
    config.*member = *value;
    return kTaken;
  };
  setting.get = [member](const Config& config) { return format_size(config.*member); };
  return setting;
}

Setting limit_setting(std::string name, std::optional<std::uint32_t> Config::*member, std::string help) {
  constexpr std::uint32_t kLimitMax = std::numeric_limits<std::uint32_t>::max();
  Setting setting = row(std::move(name), SettingKind::number, std::move(help));
  setting.allowed = "a number, " + range(1, kLimitMax) + ", or off";
  setting.fallback = "off";
  setting.set = [member](Config& config, std::string_view text) {
    const std::uint64_t value = text == "off" ? 0 : parse_number(text).value_or(0);
    if ((value == 0 && text != "off") || value > kLimitMax) return kNotAllowed;
    config.*member = value == 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(value));
    return kTaken;
  };
  setting.get = [member](const Config& config) {
    return config.*member ? std::to_string(*(config.*member)) : std::string("off");
  };
  return setting;
}

Setting rate_setting(std::string name, std::optional<std::uint32_t> Config::*member, std::string help) {
  Setting setting = row(std::move(name), SettingKind::rate, std::move(help));
  setting.allowed = fmt::format("a rate such as 20/s, up to {}/s, or off", kRateMax);
  setting.fallback = "off";
  setting.set = [member](Config& config, std::string_view text) {
    const std::uint64_t value = text.ends_with("/s") ? parse_number(text.substr(0, text.size() - 2)).value_or(0) : 0;
    if ((value == 0 && text != "off") || value > kRateMax) return kNotAllowed;
    config.*member = value == 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(value));
    return kTaken;
  };
  setting.get = [member](const Config& config) {
    return config.*member ? std::to_string(*(config.*member)) + "/s" : std::string("off");
  };
  return setting;
}

Setting with_default(Setting setting, std::string fallback) {
  setting.fallback = std::move(fallback);
  return setting;
}

Setting with_default_words(Setting setting, std::string words) {
  setting.fallback_words = std::move(words);
  return setting;
}

Setting unavailable(Setting setting, const char* why) {
  setting.unavailable = why;
  return setting;
}

Setting secret(Setting setting) {
  setting.secrecy = Secrecy::secret;
  return setting;
}

}  // namespace famemely::app
