#include "io/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>

namespace famemely::io {
namespace {

constexpr int kPassedDescriptor = 3;
constexpr int kExecFailed = 127;
constexpr std::chrono::milliseconds kPollInterval{2};
/// Descriptors closed one by one where the kernel has no close_range (before 5.9).
constexpr int kDescriptorsClosedMax = 65'536;

std::string system_fault(std::string_view what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

/// A copy above those that the child rearranges, so that no dup2 there overwrites another's source.
int moved_up(int descriptor) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 16);
  ::close(descriptor);
  return copy;
}

struct Prepared {
  const char* program;
  char* const* arguments;
  int input;
  int output;
  int passed;
  pid_t parent;
};

/// Between fork and exec: only calls that are safe in a signal handler, because another thread may have held any lock
/// at the moment of the fork.
[[noreturn]] void become(const Prepared& prepared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the line above; nobody would tell us then.
  if (::getppid() != prepared.parent) ::_exit(kExecFailed);
  ::setpgid(0, 0);
  ::dup2(prepared.input, STDIN_FILENO);
  ::dup2(prepared.output, STDOUT_FILENO);
  ::dup2(prepared.output, STDERR_FILENO);
  int first_closed = kPassedDescriptor;
  if (prepared.passed >= 0) {
    ::dup2(prepared.passed, kPassedDescriptor);
    ++first_closed;
  }
  // Asio's sockets are not close-on-exec: without this a restarted child would hold our listeners open.
  if (::syscall(SYS_close_range, static_cast<unsigned>(first_closed), ~0U, 0U) != 0) {
    for (int descriptor = first_closed; descriptor < kDescriptorsClosedMax; ++descriptor) ::close(descriptor);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(prepared.program, prepared.arguments);
  ::_exit(kExecFailed);
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

}  // namespace

Result<std::unique_ptr<ChildProcess>, std::string> ChildProcess::spawn(const Command& command) {
  std::vector<std::string> texts = command.arguments;
  texts.insert(texts.begin(), command.program);
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);

  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return failure(system_fault("no pipe for a child's output"));
  ::fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  const int output = moved_up(pipe_ends[1]);
  const int input = moved_up(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int passed = command.passed_descriptor < 0 ? -1 : ::fcntl(command.passed_descriptor, F_DUPFD_CLOEXEC, 16);
  const bool ready = output >= 0 && input >= 0 && (passed >= 0) == (command.passed_descriptor >= 0);

  const Prepared prepared{.program = command.program.c_str(),
                          .arguments = arguments.data(),
                          .input = input,
                          .output = output,
                          .passed = passed,
                          .parent = ::getpid()};
  const pid_t pid = ready ? ::fork() : -1;
  if (pid == 0) become(prepared);
  std::string fault = pid < 0 ? system_fault(fmt::format("can't start {}", command.program)) : std::string();
  for (const int descriptor : {input, output, passed}) {
    if (descriptor >= 0) ::close(descriptor);
  }
  if (pid < 0) {
    ::close(pipe_ends[0]);
    return failure(std::move(fault));
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, pipe_ends[0]));
}

ChildProcess::~ChildProcess() {
  stop(std::chrono::milliseconds(0));
  ::close(output_);
}

const std::optional<std::string>& ChildProcess::poll() {
  if (ended_) return ended_;
  int status = 0;
  const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
  if (reaped == pid_) ended_ = describe(status);
  // Somebody set SIGCHLD to be ignored: the kernel reaped it, and the number may belong to another process by now.
  if (reaped < 0 && errno == ECHILD) ended_ = "ended";
  return ended_;
}

void ChildProcess::stop(std::chrono::milliseconds grace) {
  if (poll()) return;
  const auto deadline = std::chrono::steady_clock::now() + grace;
  if (grace.count() > 0) ::kill(pid_, SIGTERM);
  while (!poll() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kPollInterval);
  if (!poll()) ::kill(pid_, SIGKILL);
  while (!poll()) std::this_thread::sleep_for(kPollInterval);
}

}  // namespace famemely::io
