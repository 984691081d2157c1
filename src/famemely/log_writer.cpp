#include "famemely/log_writer.hpp"

#include <utility>

#include "app/logging.hpp"

namespace famemely {
namespace {

LogLine::Level level_of(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
    case LogLevel::debug:
      return LogLine::Level::debug;
    case LogLevel::info:
      return LogLine::Level::info;
    case LogLevel::warn:
      return LogLine::Level::warn;
    case LogLevel::error:
    case LogLevel::off:
      break;
  }
  return LogLine::Level::error;
}

class WriterLogger final : public Logger {
 public:
  WriterLogger(LogWriter writer, LogLevel level) : writer_(std::move(writer)), level_(level) {}

  bool enabled(LogLevel level) const override { return level >= level_; }
  void write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) override {
    LogLine line{level_of(level), event, {}};
    for (const LogField& field : fields) line.fields.emplace_back(field.name, field.value);
    writer_(line);
  }

 private:
  LogWriter writer_;
  LogLevel level_;
};

}  // namespace

std::shared_ptr<Logger> make_logger(LogWriter writer, const app::Config& config) {
  if (writer) return std::make_shared<WriterLogger>(std::move(writer), config.log_level);
  return app::make_logger(config.log_format, config.log_level);
}

}  // namespace famemely
