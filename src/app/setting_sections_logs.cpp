#include "app/setting_sections.hpp"

#include "app/setting_kinds.hpp"
#include "app/values.hpp"

namespace famemely::app {
namespace {

using Answer = std::optional<std::string>;

constexpr const char* kNoMetrics = "the metrics route is not available in this version; leave it unset";

Setting metrics_port() {
  Setting setting{.name = "METRICS_PORT",
                  .section = {},
                  .kind = SettingKind::number,
                  .allowed = "a port, 1 to 65535",
                  .help = "Port of its own for `/metrics`, without a token."};
  setting.set = [](Config& config, std::string_view text) -> Answer {
    const auto value = parse_number(text);
    if (!value || *value == 0 || *value > 65535) return "";
    config.metrics_port = static_cast<std::uint16_t>(*value);
    return std::nullopt;
  };
  setting.get = [](const Config& config) { return config.metrics_port ? std::to_string(*config.metrics_port) : ""; };
  return unavailable(std::move(setting), kNoMetrics);
}

}  // namespace

std::vector<Setting> log_settings() {
  return {
      with_default(choice_setting<LogLevel>("LOG_LEVEL", &Config::log_level,
                                            {{"trace", LogLevel::trace},
                                             {"debug", LogLevel::debug},
                                             {"info", LogLevel::info},
                                             {"warn", LogLevel::warn},
                                             {"error", LogLevel::error},
                                             {"off", LogLevel::off}},
                                            "The least important lines to log. Logs go to standard error."),
                   "info"),
      with_default_words(choice_setting<LogFormat>("LOG_FORMAT", &Config::log_format,
                                                   {{"text", LogFormat::text}, {"json", LogFormat::json}},
                                                   "Lines for people, or one JSON object a line."),
                         "`text` on a terminal, else `json`"),
      unavailable(secret(text_setting("METRICS_TOKEN", &Config::metrics_token, "Bearer token that opens `/metrics`.")),
                  kNoMetrics),
      metrics_port(),
  };
}

}  // namespace famemely::app
