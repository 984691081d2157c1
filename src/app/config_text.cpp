#include "app/config_text.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "app/settings_table.hpp"
#include "app/version.hpp"

namespace famemely::app {
namespace {

constexpr std::size_t kHelpColumns = 100;

/// The value in the quotes that `.env` needs for it; nothing if no quotes can hold it.
std::optional<std::string> quote_for_dotenv(const std::string& value) {
  const bool plain = value.find_first_of("#'\"`\\ \t") == value.npos;
  if (plain) return value;
  for (char quote : {'\'', '`'})
    if (!value.contains(quote) && !value.contains('\\')) return quote + value + quote;
  // A backslash hides the letter after it from the search for the closing quote, so it must not be the last.
  for (char quote : {'\'', '`'})
    if (!value.contains(quote) && !value.ends_with('\\')) return quote + value + quote;
  return std::nullopt;
}

std::string config_line(const Setting& setting, const std::string& value) {
  const std::string visible = value.empty() ? value : shown(setting, value);
  const auto quoted = quote_for_dotenv(visible);
  const bool complete = visible == value && quoted;
  return (complete ? "" : "# ") + setting.name + "=" + quoted.value_or(visible) + "\n";
}

/// The text in lines of at most `kHelpColumns`, each behind the margin.
std::string wrap(std::string_view text, const std::string& margin) {
  std::string out;
  std::string line;
  const auto end_line = [&] {
    out += margin + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (!line.empty() && margin.size() + line.size() + 1 + word.size() > kHelpColumns) end_line();
    line += (line.empty() ? "" : " ") + std::string(word);
    text.remove_prefix(space == text.npos ? text.size() : space + 1);
  }
  if (!line.empty()) end_line();
  return out;
}

std::string default_words(const Setting& setting) {
  if (!setting.fallback_words.empty()) return setting.fallback_words;
  if (!setting.fallback.empty()) return "`" + setting.fallback + "`";
  return "unset";
}

std::string without_backticks(std::string text) {
  std::erase(text, '`');
  return text;
}

std::string value_word(const Setting& setting) {
  switch (setting.kind) {
    case SettingKind::text:
      return " TEXT";
    case SettingKind::file:
      return " FILE";
    case SettingKind::number:
      return " N";
    case SettingKind::toggle:
      return "";
    case SettingKind::choice:
      return " WORD";
    case SettingKind::duration:
      return " DURATION";
    case SettingKind::size:
      return " SIZE";
    case SettingKind::list:
      return " LIST";
    case SettingKind::rate:
      return " N/s";
    case SettingKind::url:
      return " URL";
  }
  return "";
}

std::string help_of(const Setting& setting) {
  std::string text = setting.help + " Allowed: " + setting.allowed + ". Default: " + default_words(setting) + ".";
  if (!setting.unavailable.empty()) text += " This version takes only the default.";
  return "  " + setting.flag() + value_word(setting) + "\n" + wrap(without_backticks(text), "      ");
}

/// A bar would end the cell of a table.
std::string cell(const std::string& text) {
  std::string out;
  for (char letter : text) out += letter == '|' ? "\\|" : std::string(1, letter);
  return out;
}

std::string row_of(const Setting& setting) {
  std::string meaning = setting.help + " Allowed: " + setting.allowed + ".";
  if (!setting.unavailable.empty()) meaning += " **Refused in this version:** " + setting.unavailable + ".";
  return "| `" + setting.name + "` | " + cell(default_words(setting)) + " | " + cell(meaning) + " |\n";
}

constexpr std::string_view kUsage =
    "Usage:\n"
    "  famemely-mqtt [--dev] [flags]             run the gateway\n"
    "  famemely-mqtt token --sub USER [flags]    print a token signed with the configured secret\n"
    "  famemely-mqtt permissions check (--token TOKEN | --sub USER [--role R]) publish|subscribe TOPIC\n"
    "                                            say who may do what, and by which rule\n"
    "  famemely-mqtt key create --name N --role R\n"
    "                                            print a new API key, and the line for API_KEYS_FILE\n"
    "\n"
    "Options:\n"
    "  --dev                try it out: listen on 127.0.0.1 and ::1, make a secret and keep it in\n"
    "                       .famemely-mqtt-dev-secret, run a mosquitto of our own if no broker is set\n"
    "  --env-file FILE      read FILE in place of .env\n"
    "  --config FILE        read a YAML file as well; its keys are the variables' names in lower case\n"
    "  --check-config       check the configuration and exit\n"
    "  --print-config       print the effective configuration, secrets masked, and exit\n"
    "  -h, --help           print this and exit\n"
    "  -V, --version        print the version and exit\n"
    "\n"
    "Options of token:\n"
    "  --sub USER           the user, required\n"
    "  --role ROLE          the claim `role` (default: authenticated)\n"
    "  --expires DURATION   how long it is good for (default: 1h)\n"
    "  --claim NAME=JSON    one more claim, as often as needed\n"
    "\n"
    "Options of permissions check: --sub, --role and --claim as above, or\n"
    "  --token TOKEN        whose claims count; its signature and times are not looked at\n"
    "  --sub key:NAME       an API key, whose role is that of --role\n"
    "  The exit status is 0 for allowed, 1 for denied, 2 for a question that is none.\n"
    "\n"
    "Every setting is a flag, a variable of the environment or of .env (--mqtt-host is MQTT_HOST), and a\n"
    "key of the YAML file (mqtt_host). Flags win over the environment, that over .env, that over YAML.\n";

constexpr std::string_view kDocumentStart =
    R"(<!-- Generated by `famemely-mqtt --print-documentation` from src/app/setting_sections_*.cpp; a test compares them. -->
# Configuration

Every setting has one name in four places: `MQTT_HOST` in the environment, the same in `.env`, `--mqtt-host` on the
command line, and `mqtt_host` in a YAML file. Where several are given, the later of these wins:

1. the YAML file of `--config FILE`, if there is one;
2. `.env` in the working directory, or the file of `--env-file FILE` in its place;
3. the environment;
4. flags.

A value that is not allowed, an unknown flag or YAML key, or a missing file keeps the gateway from starting: it says which
key, which value, where it stands and what is allowed, and exits with status 2 before it opens a port. A setting that this
version can't honour yet is refused in the same way, never ignored. `.env` and the environment are shared with other
programs: foreign names there are ignored, but an unknown `MQTT_…` name logs a warning with the nearest known one.

`--check-config` checks everything and exits. `--print-config` prints the effective configuration as a `.env` file, with
secrets masked. `LOG_LEVEL` is read again on SIGHUP, and so are the files that settings name, as far as they say so: a bad one
leaves the old in force and logs why.

## Notation

- An empty value is an unset one: the next lower place decides. (An empty flag takes a setting back to its default.) Only
  an empty `JWT_AUDIENCE` means something: it switches the check of the audience off.
- Durations: a number and `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
- Sizes: a number and `B`, `KB`, `MB` or `GB`, powers of 1000; a bare number is bytes.
- Lists: items separated by commas; in YAML also a sequence.
- `.env` is read as Node's dotenv reads it: `KEY=VALUE`, perhaps after `export`; `#` begins a comment, also right after a
  letter, so values with `#` need quotes (single, double or back quotes); nothing is expanded.

## With `--dev`

The gateway listens on 127.0.0.1 and ::1 unless `HOST` is set, makes a random secret if `SUPABASE_JWT_SECRET` is unset and
keeps it in `.famemely-mqtt-dev-secret` (readable by its owner alone; `famemely-mqtt token --dev` signs with it), and runs
a mosquitto of its own if neither `MQTT_HOST` nor `MQTT_URL` is set; `MQTT_PORT` then fixes its port.
)";

constexpr std::string_view kDocumentEnd = R"(
## The YAML file

Its keys are the names above in lower case. The section `permissions` holds what a `PERMISSIONS_FILE` would, and stands in
its place. The sections `history` and `limits` are not available in this version, `brokers` and `sinks` are reserved: each is
refused by name.

```yaml
mqtt_host: broker.example.com
cors_origins: [https://app.example.com, https://admin.example.com]
recovery_window: 5m
```
)";

}  // namespace

std::string print_config(const Config& config) {
  std::string out =
      "# famemely-mqtt " + std::string(kVersion) + ", effective configuration; lines with *** hide secrets\n";
  if (config.dev) out += "# with --dev\n";
  std::string section;
  for (const Setting& setting : settings()) {
    if (setting.section != section) out += "\n# " + setting.section + "\n";
    section = setting.section;
    out += config_line(setting, setting.get(config));
  }
  return out;
}

std::string help_text() {
  std::string out(kUsage);
  std::string section;
  for (const Setting& setting : settings()) {
    if (setting.section != section) out += "\n" + setting.section + ":\n";
    section = setting.section;
    out += help_of(setting);
  }
  return out;
}

std::string configuration_document() {
  std::string out(kDocumentStart);
  std::string section;
  for (const Setting& setting : settings()) {
    if (setting.section != section)
      out += "\n## " + setting.section + "\n\n| variable | default | meaning |\n|---|---|---|\n";
    section = setting.section;
    out += row_of(setting);
  }
  return out + std::string(kDocumentEnd);
}

}  // namespace famemely::app
