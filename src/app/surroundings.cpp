#include "app/surroundings.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

extern char** environ;  // POSIX has it declared by the program

namespace famemely::app {

Surroundings this_process() {
  Surroundings around;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (const std::size_t equals = text.find('='); equals != text.npos)
      around.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  around.directory = std::filesystem::current_path();
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) == 0) around.host_name = name;
  around.cores = std::max(1U, std::thread::hardware_concurrency());
  around.stderr_is_terminal = ::isatty(STDERR_FILENO) == 1;
  around.now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return around;
}

}  // namespace famemely::app
