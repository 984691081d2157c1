#include "app/config_sources.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "app/dotenv.hpp"
#include "app/values.hpp"
#include "base/json_text.hpp"
#include "base/utf8.hpp"

namespace famemely::app {
namespace {

/// Kubernetes describes a service named `mqtt` by variables such as MQTT_SERVICE_HOST and MQTT_PORT_1883_TCP_ADDR.
/// Nobody misspelt those.
bool is_service_link(std::string_view name) {
  return name.starts_with("MQTT_SERVICE_HOST") || name.starts_with("MQTT_SERVICE_PORT") ||
         (name.starts_with("MQTT_PORT_") && (name.contains("_TCP") || name.contains("_UDP")));
}

void warn_of_unknown(std::string_view name, std::string_view source, Findings& findings) {
  if (!name.starts_with("MQTT_") || is_service_link(name)) return;
  findings.warnings.push_back(std::string(name) + " (" + std::string(source) +
                              ") is unknown and ignored; the nearest known name is " +
                              nearest_name(name, setting_names()));
}

void add(const Setting& setting, std::string_view text, std::string source, GivenValues& given) {
  if (text.empty() && !setting.empty_counts) return;
  given.insert_or_assign(setting.name, GivenValue{std::string(text), std::move(source)});
}

}  // namespace

Result<std::string, std::string> read_config_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return failure(std::string("it is a directory"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(std::string(errno == 0 ? "it can't be opened" : std::strerror(errno)));
  std::string content(bytes_max + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.bad()) return failure(std::string("it can't be read"));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > bytes_max) return failure("it is over " + format_size(bytes_max));
  return content;
}

void add_dotenv(std::string_view text, const std::string& file, GivenValues& given, Findings& findings) {
  const DotenvText read = parse_dotenv(text);
  for (const std::size_t line : read.strange_lines)
    findings.warnings.push_back(file + ":" + std::to_string(line) + ": this line is not KEY=VALUE and is ignored");
  for (const DotenvEntry& entry : read.entries) {
    const std::string source = file + ":" + std::to_string(entry.line);
    const Setting* setting = find_setting(entry.name);
    if (setting == nullptr) {
      warn_of_unknown(entry.name, source, findings);
      continue;
    }
    if (entry.bad_quotes)
      findings.faults.push_back(entry.name + " (" + source +
                                "): the quotes do not enclose the whole value; quote all of it, or nothing");
    if (entry.cut_at_hash)
      findings.warnings.push_back(
          entry.name + " (" + source +
          "): the value ends before the #, which begins a comment; quote it if the # belongs to it");
    add(*setting, entry.value, source, given);
  }
}

void add_environment(const std::map<std::string, std::string>& environment, GivenValues& given, Findings& findings) {
  for (const auto& [name, value] : environment) {
    const Setting* setting = find_setting(name);
    if (setting == nullptr)
      warn_of_unknown(name, "environment", findings);
    else
      add(*setting, value, "environment", given);
  }
}

std::string describe(const Setting& setting, const GivenValue& value) {
  const std::string text = is_utf8(value.text) ? shown(setting, value.text) : "(not UTF-8)";
  return setting.name + "=" + json_string(text) + " (" + value.source + ")";
}

}  // namespace famemely::app
