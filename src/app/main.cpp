#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "app/command_line.hpp"
#include "app/logging.hpp"
#include "app/run.hpp"
#include "serving/system_random.hpp"

namespace {

using namespace famemely;

int serve(const app::Serve& serve, const std::vector<std::string>& arguments) {
  const auto logger = app::make_logger(serve.config.log_format, serve.config.log_level);
  for (const std::string& warning : serve.warnings) logger->warn("configuration", {{"warning", warning}});
  return app::run(serve.config, *logger, [&] { return app::read_log_level(arguments, app::this_process()); });
}

int report(const app::CommandError& error) {
  std::fprintf(stderr, "famemely-mqtt: %s\n", error.message.c_str());
  return error.exit_status;
}

int execute(const std::vector<std::string>& arguments) {
  serving::SystemRandom random;
  const auto command = app::parse_command_line(arguments, app::this_process(), random);
  if (!command) return report(command.error());
  if (const auto* to_serve = std::get_if<app::Serve>(&*command)) return serve(*to_serve, arguments);
  if (const auto* text = std::get_if<app::PrintText>(&*command)) {
    std::fputs(text->text.c_str(), stdout);
    return text->exit_status;
  }
  for (const std::string& warning : std::get<app::CheckConfig>(*command).warnings)
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  std::fputs("The configuration is good.\n", stderr);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return execute({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "famemely-mqtt: %s\n", error.what());
    return 1;
  }
}
