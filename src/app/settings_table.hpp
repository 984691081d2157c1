#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"

namespace famemely::app {

enum class SettingKind { text, file, number, toggle, choice, duration, size, list, rate, url };

/// How much of a value may be shown.
enum class Secrecy { open, password_inside, secret };

/// One setting: everything that anybody needs to know of it. The table is the only source for the flags, for reading
/// `.env`, environment and YAML, for `--help`, `--print-config` and `docs/configuration.md`.
struct Setting {
  /// The variable, `MQTT_HOST`.
  std::string name;
  std::string section;
  SettingKind kind = SettingKind::text;
  /// Takes a value, or says why not: an empty text means that `allowed` says it all.
  std::function<std::optional<std::string>(Config&, std::string_view)> set{};
  /// The value in the notation that `set` takes; empty if unset.
  std::function<std::string(const Config&)> get{};
  /// What `set` takes, as the end of the sentence "allowed: …".
  std::string allowed{};
  std::string help{};
  /// The default as `set` takes it; empty if there is none, or if it depends on the surroundings.
  std::string fallback{};
  /// How the documentation words the default, where the text above does not.
  std::string fallback_words{};
  Secrecy secrecy = Secrecy::open;
  /// Why this version can't honour any value but the default; empty if it can.
  std::string unavailable{};
  /// An empty value means something else than an unset one.
  bool empty_counts = false;

  /// `--mqtt-host`
  [[nodiscard]] std::string flag() const;
  /// `mqtt_host`
  [[nodiscard]] std::string yaml_key() const;
};

/// All of them, in the order of the documentation.
[[nodiscard]] const std::vector<Setting>& settings();
/// By variable name; nothing if there is none of that name.
[[nodiscard]] const Setting* find_setting(std::string_view name);
[[nodiscard]] std::vector<std::string> setting_names();

/// Every setting at its default; those that depend on the surroundings are left empty.
[[nodiscard]] Config default_config();

/// What may be shown of a value: all of it, all but the password inside, or nothing.
[[nodiscard]] std::string shown(const Setting& setting, std::string_view value);

}  // namespace famemely::app
