#include "app/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <chrono>

#include "base/json_text.hpp"
#include "base/utf8.hpp"

namespace famemely::app {
namespace {

struct LevelLook {
  std::string_view name;
  std::string_view padded;
  std::string_view colour;
};

LevelLook look_of(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return {"trace", "TRACE", "\x1b[90m"};
    case LogLevel::debug:
      return {"debug", "DEBUG", "\x1b[36m"};
    case LogLevel::info:
      return {"info", "INFO ", "\x1b[32m"};
    case LogLevel::warn:
      return {"warn", "WARN ", "\x1b[33m"};
    case LogLevel::error:
      return {"error", "ERROR", "\x1b[31m"};
    case LogLevel::off:
      return {"off", "OFF  ", ""};
  }
  return {};
}

constexpr std::string_view kNoColour = "\x1b[0m";
/// Events up to this length have their fields below each other.
constexpr std::size_t kEventColumns = 28;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// U+007F to U+009F steer terminals as the characters below the space do, but JSON does not make us escape them.
bool is_late_control(char32_t code_point) { return code_point >= 0x7F && code_point <= 0x9F; }

std::string quoted(std::string_view bytes) {
  const std::string text = json_string(as_utf8(bytes));
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const char32_t code_point = next_code_point(text, at);
    if (is_late_control(code_point)) {
      out += "\\u00";
      out += kHex[code_point >> 4];
      out += kHex[code_point & 15];
    } else {
      append_utf8(out, code_point);
    }
  }
  return out;
}

/// Values that could be taken for something else in `name=value` are quoted.
bool needs_quotes(std::string_view value) {
  if (value.empty() || !is_utf8(value)) return true;
  for (std::size_t at = 0; at < value.size();) {
    const char32_t letter = next_code_point(value, at);
    if (letter <= U' ' || letter == U'"' || letter == U'=' || is_late_control(letter)) return true;
  }
  return false;
}

class StandardErrorLogger final : public AdjustableLogger {
 public:
  StandardErrorLogger(LogFormat format, LogLevel level)
      : format_(format),
        coloured_(format == LogFormat::text && ::isatty(STDERR_FILENO) == 1),
        sink_("", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    // The line is ready made; spdlog only sees to it that lines of several threads stay apart.
    sink_.set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    set_level(level);
  }

  void set_level(LogLevel level) override { sink_.set_level(spdlog_level(level)); }

  [[nodiscard]] bool enabled(LogLevel level) const override {
    return level != LogLevel::off && sink_.should_log(spdlog_level(level));
  }

  void write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) override {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const std::string line = format_ == LogFormat::json ? json_line(now, level, event, fields)
                                                        : text_line(now, level, event, fields, coloured_);
    sink_.log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogFormat format_;
  const bool coloured_;
  spdlog::logger sink_;
};

}  // namespace

std::unique_ptr<AdjustableLogger> make_logger(LogFormat format, LogLevel level) {
  return std::make_unique<StandardErrorLogger>(format, level);
}

std::string text_line(WallTime time, LogLevel level, std::string_view event, const std::vector<LogField>& fields,
                      bool coloured) {
  const LevelLook look = look_of(level);
  std::string line = to_iso8601(time) + " ";
  line += coloured ? std::string(look.colour) + std::string(look.padded) + std::string(kNoColour) : look.padded;
  line += " ";
  const std::string quoted_event = quoted(event);
  std::string name = quoted_event.substr(1, quoted_event.size() - 2);
  if (!fields.empty() && name.size() < kEventColumns) name.resize(kEventColumns, ' ');
  line += name;
  for (const LogField& field : fields) {
    line += " ";
    line += field.name;
    line += "=";
    line += needs_quotes(field.value) ? quoted(field.value) : field.value;
  }
  return line;
}

std::string json_line(WallTime time, LogLevel level, std::string_view event, const std::vector<LogField>& fields) {
  std::string line = R"({"time":")" + to_iso8601(time) + R"(","level":")" + std::string(look_of(level).name) +
                     R"(","event":)" + quoted(event);
  for (const LogField& field : fields) {
    line += ",";
    line += quoted(field.name);
    line += ":";
    // Numbers such as NaN have no JSON form of their own.
    line += field.bare && !check_json(field.value) ? field.value : quoted(field.value);
  }
  return line + "}";
}

}  // namespace famemely::app
