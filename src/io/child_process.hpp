#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace famemely::io {

/// A child that ends when the thread that started it ends, even by SIGKILL: Linux ties the parent-death signal to the
/// forking thread, so only a thread that lasts as long as the process, the main thread, may start one. The child gets
/// a process group of its own (a Ctrl-C at the terminal is for us, who then end it in our order), no signal mask, no
/// descriptor of ours but the one passed on purpose, and its output in a pipe.
class ChildProcess {
 public:
  struct Command {
    std::string program;                 // a path; PATH is not searched
    std::vector<std::string> arguments;  // without the program's name
    int passed_descriptor = -1;          // becomes the child's descriptor 3
  };

  [[nodiscard]] static Result<std::unique_ptr<ChildProcess>, std::string> spawn(const Command& command);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills a child that still runs.
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The reading end of the child's standard output and error, not blocking. Ours to close.
  [[nodiscard]] int output() const { return output_; }

  /// Says how the child ended (`exited with status 1`, `killed by signal 9`) if it has; reaps it, and no other.
  [[nodiscard]] const std::optional<std::string>& poll();

  /// SIGTERM, and SIGKILL if it still runs after the grace. Blocks until it has ended.
  void stop(std::chrono::milliseconds grace);

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;
  int output_;
  std::optional<std::string> ended_;
};

}  // namespace famemely::io
