#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace famemely {

enum class LogLevel { trace, debug, info, warn, error, off };

/// One member of a structured log line. Numbers and booleans stay unquoted in the JSON form.
struct LogField {
  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const char* text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const std::string& text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, bool flag) : name(field_name), value(flag ? "true" : "false"), bare(true) {}
  template <typename Number>
  requires std::is_arithmetic_v<Number> LogField(std::string_view field_name, Number number)
      : name(field_name), value(std::to_string(number)), bare(true) {}

  std::string_view name;
  std::string value;
  bool bare = false;
};

/// Where log lines go. A port: the app passes one that writes to standard error, tests one that collects. `event` is a
/// fixed lower-case text (`listening`, `broker connected`); what varies stands in the fields. Callable from any thread.
class Logger {
 public:
  virtual ~Logger() = default;
  [[nodiscard]] virtual bool enabled(LogLevel level) const = 0;
  virtual void write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) = 0;

  void debug(std::string_view event, const std::vector<LogField>& fields = {}) { log(LogLevel::debug, event, fields); }
  void info(std::string_view event, const std::vector<LogField>& fields = {}) { log(LogLevel::info, event, fields); }
  void warn(std::string_view event, const std::vector<LogField>& fields = {}) { log(LogLevel::warn, event, fields); }
  void error(std::string_view event, const std::vector<LogField>& fields = {}) { log(LogLevel::error, event, fields); }

 private:
  void log(LogLevel level, std::string_view event, const std::vector<LogField>& fields) {
    if (enabled(level)) write(level, event, fields);
  }
};

}  // namespace famemely
