#include "app/load_config.hpp"

#include <algorithm>

#include "app/config_rules.hpp"
#include "app/load_rules.hpp"
#include "app/mqtt_url.hpp"
#include "base/utf8.hpp"
#include "gateway/ports.hpp"

namespace famemely::app {
namespace {

GivenValues gather(const ConfigRequest& request, const Surroundings& around, Findings& findings) {
  GivenValues given;
  const auto add_file = [&](const std::string& name, const char* what, auto add) {
    const auto text = read_config_file(around.directory / name);
    if (text)
      add(*text, name, given, findings);
    else
      findings.faults.push_back(std::string(what) + " " + name + ": " + text.error());
  };
  if (request.yaml_file) add_file(*request.yaml_file, "--config", add_yaml);
  std::error_code ignored;
  if (request.env_file)
    add_file(*request.env_file, "--env-file", add_dotenv);
  else if (request.reads_dotenv && std::filesystem::exists(around.directory / ".env", ignored))
    add_file(".env", "the file", add_dotenv);
  add_environment(around.environment, given, findings);
  for (const auto& [name, value] : request.flags) {
    if (value.text.empty() && !find_setting(name)->empty_counts)
      given.erase(name);
    else
      given.insert_or_assign(name, value);
  }
  return given;
}

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text,
                             [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F; });
}

/// Applies one value; the fault, if it is refused.
std::optional<std::string> apply(const Setting& setting, const GivenValue& value, Config& config) {
  std::optional<std::string> fault;
  if (!is_utf8(value.text))
    fault = "it is not UTF-8";
  else if (has_control_characters(value.text))
    fault = "it holds a line end or another control character";
  else
    fault = setting.set(config, value.text);
  if (!fault) return std::nullopt;
  return describe(setting, value) + " is not allowed: " + *fault + (fault->empty() ? "" : "; ") +
         "allowed: " + setting.allowed;
}

/// The defaults that the surroundings or other settings decide.
void fill_in(Config& config, const GivenValues& given, const Surroundings& around) {
  if (!given.contains("NODE_ID")) config.node_id = around.host_name;
  if (!given.contains("WORKERS")) config.workers = std::clamp<std::uint32_t>(around.cores, 1, gateway::kWorkersMax);
  if (!given.contains("LOG_FORMAT")) config.log_format = around.stderr_is_terminal ? LogFormat::text : LogFormat::json;
  if (config.dev && !given.contains("HOST")) config.host = {"127.0.0.1", "::1"};
  if (config.dev && config.mqtt_host.empty()) config.mqtt_host = kManagedBroker;
  if (config.mqtt_port == 0 && !config.managed_broker()) config.mqtt_port = default_port(config.mqtt_protocol);
}

void check_permissions(const Config& config, const Surroundings& around, Findings& findings) {
  const auto loaded = load_rules(config, around.directory);
  if (!loaded) return findings.faults.push_back("PERMISSIONS_FILE: " + loaded.error());
  findings.warnings.insert(findings.warnings.end(), loaded->warnings.begin(), loaded->warnings.end());
}

std::string as_lines(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences) out += (out.empty() ? "" : "\n") + sentence;
  return out;
}

}  // namespace

Result<LoadedConfig, std::string> load_config(const ConfigRequest& request, const Surroundings& around) {
  Findings findings;
  const GivenValues given = gather(request, around, findings);
  Config config = default_config();
  config.dev = request.dev;
  for (const Setting& setting : settings()) {
    const auto value = given.find(setting.name);
    if (value == given.end()) continue;
    if (auto fault = apply(setting, value->second, config)) findings.faults.push_back(std::move(*fault));
  }
  fill_in(config, given, around);
  if (request.link_alone)
    check_link_rules(config, given, findings);
  else if (request.verifies)
    check_rules(config, given, request.serves, findings);
  if (request.serves && !request.link_alone) check_permissions(config, around, findings);
  if (!findings.faults.empty()) return failure(as_lines(findings.faults));
  return LoadedConfig{std::move(config), std::move(findings.warnings)};
}

}  // namespace famemely::app
