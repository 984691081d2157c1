#include "io/managed_broker.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include <fmt/format.h>

namespace famemely::io {
namespace {

using boost::system::error_code;

constexpr std::chrono::milliseconds kConnectInterval{5};
/// Between our finding a free port and mosquitto's binding it another program may take it.
constexpr int kFreePortAttempts = 5;
/// A child that ran this long was well: the next restart is quick again.
constexpr std::chrono::seconds kHealthyAfter{10};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// A loopback socket for the length of one question.
class Probe {
 public:
  Probe() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() { ::close(socket_); }

  /// The port that was bound, or nothing with errno set. As mosquitto does, it may follow a server that just ended.
  [[nodiscard]] std::optional<std::uint16_t> bind(std::uint16_t port) {
    const int yes = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address = loopback(port);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, generic, length) != 0 || ::listen(socket_, 1) != 0) return std::nullopt;
    if (::getsockname(socket_, generic, &length) != 0) return std::nullopt;
    return ntohs(address.sin_port);
  }

  [[nodiscard]] bool connect(std::uint16_t port) {
    const sockaddr_in address = loopback(port);
    return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

 private:
  int socket_;
};

Result<std::uint16_t, std::string> available_port(std::uint16_t wanted) {
  Probe probe;
  const auto port = probe.bind(wanted);
  if (port) return *port;
  return failure(fmt::format("the managed broker can't listen on 127.0.0.1:{}: {}", wanted, std::strerror(errno)));
}

std::optional<std::string> find_program(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    std::string path = directory + "/mosquitto";
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

std::string current_user() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry ? entry->pw_name : "";
}

/// Nothing on disk, and no limit on what waits for a client: messages of QoS 1 and 2 queue in the broker while the
/// gateway can't take them.
std::string configuration_text(std::uint16_t port) {
  std::string text = fmt::format(
      "listener {} 127.0.0.1\n"
      "allow_anonymous true\n"
      "persistence false\n"
      "max_queued_messages 0\n"
      "max_inflight_messages 0\n"
      "set_tcp_nodelay true\n"
      "log_dest stderr\n"
      "log_type error\n"
      "log_type warning\n"
      "log_timestamp false\n",
      port);
  // Started by root, mosquitto changes to its own account, and that clears the signal which ends it with its parent.
  if (const std::string user = current_user(); !user.empty()) text += fmt::format("user {}\n", user);
  return text;
}

Result<void, std::string> write_configuration(int descriptor, std::string_view text) {
  const bool written = ::ftruncate(descriptor, 0) == 0 &&
                       ::pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!written) return failure(fmt::format("the managed broker's configuration: {}", std::strerror(errno)));
  return {};
}

}  // namespace

std::vector<std::string> broker_directories() {
  std::vector<std::string> directories;
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable ? variable : "";
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    if (colon != 0) directories.emplace_back(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  directories.insert(directories.end(), {"/usr/sbin", "/usr/local/sbin"});
  return directories;
}

Result<std::unique_ptr<ManagedBroker>, std::string> ManagedBroker::start(boost::asio::io_context& main_loop,
                                                                         ManagedBrokerOptions options, Logger& logger) {
  auto program = find_program(options.directories);
  if (!program) {
    return failure(std::string(
        "mosquitto, the managed broker, is not installed: `apt-get install mosquitto`, or set MQTT_HOST to a broker"));
  }
  const bool port_is_free_choice = options.port == 0;
  std::unique_ptr<ManagedBroker> broker(new ManagedBroker(main_loop, std::move(options), std::move(*program), logger));
  if (broker->configuration_ < 0) {
    return failure(fmt::format("the managed broker's configuration: {}", std::strerror(errno)));
  }
  Result<void, std::string> listening;
  for (int attempt = 0; attempt < (port_is_free_choice ? kFreePortAttempts : 1); ++attempt) {
    const auto port = available_port(port_is_free_choice ? 0 : broker->options_.port);
    if (!port) return failure(port.error());
    broker->options_.port = *port;
    listening = broker->launch();
    if (listening) listening = broker->await_listening();
    if (listening) break;
  }
  if (!listening) return failure(std::move(listening.error()));
  broker->watch_for_end();
  broker->supervise();
  logger.info("managed broker listening", {{"host", "127.0.0.1"}, {"port", broker->port()}, {"pid", broker->pid()}});
  return broker;
}

ManagedBroker::ManagedBroker(boost::asio::io_context& main_loop, ManagedBrokerOptions options, std::string program,
                             Logger& logger)
    : loop_(main_loop),
      options_(std::move(options)),
      program_(std::move(program)),
      logger_(logger),
      configuration_(::memfd_create("mosquitto.conf", MFD_CLOEXEC)),
      restart_delay_(options_.restart_delay_min),
      child_signals_(loop_, SIGCHLD),
      output_(loop_),
      restart_timer_(loop_) {}

ManagedBroker::~ManagedBroker() {
  error_code ignored;
  child_signals_.cancel(ignored);
  restart_timer_.cancel();
  if (output_.is_open()) output_.release();
  if (child_) child_->stop(options_.stop_timeout);
  if (configuration_ >= 0) ::close(configuration_);
}

Result<void, std::string> ManagedBroker::launch() {
  if (auto written = write_configuration(configuration_, configuration_text(options_.port)); !written) return written;
  auto child = ChildProcess::spawn(
      {.program = program_, .arguments = {"-c", "/proc/self/fd/3"}, .passed_descriptor = configuration_});
  if (!child) return failure(std::move(child.error()));
  child_ = std::move(*child);
  started_ = std::chrono::steady_clock::now();
  last_line_.clear();
  return {};
}

Result<void, std::string> ManagedBroker::await_listening() {
  const auto deadline = started_ + options_.start_timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    const bool connected = Probe().connect(options_.port);
    if (const auto& ended = child_->poll()) {
      const ssize_t count = ::read(child_->output(), output_buffer_.data(), output_buffer_.size());
      if (count > 0) note_output({output_buffer_.data(), static_cast<std::size_t>(count)});
      return failure(fmt::format("{} {}{}{}", program_, *ended, last_line_.empty() ? "" : ": ", last_line_));
    }
    if (connected) return {};
    std::this_thread::sleep_for(kConnectInterval);
  }
  return failure(fmt::format("{} does not listen on 127.0.0.1:{} after {} ms", program_, options_.port,
                             options_.start_timeout.count()));
}

void ManagedBroker::supervise() {
  output_.assign(child_->output());
  read_output();
  // It may have ended before anybody listened for the signal.
  if (child_->poll()) restart_later(*child_->poll());
}

void ManagedBroker::watch_for_end() {
  child_signals_.async_wait([this](error_code fault, int) {
    if (fault) return;
    // The signal does not say whose child it was; others may have children of their own.
    if (child_ && child_->poll()) restart_later(*child_->poll());
    watch_for_end();
  });
}

void ManagedBroker::read_output() {
  output_.async_read_some(boost::asio::buffer(output_buffer_), [this](error_code fault, std::size_t count) {
    if (fault) return;
    note_output({output_buffer_.data(), count});
    read_output();
  });
}

void ManagedBroker::note_output(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty()) continue;
    last_line_ = line;
    logger_.debug("managed broker says", {{"text", last_line_}});
  }
}

void ManagedBroker::restart_later(const std::string& reason) {
  // What it said last may still be in the pipe.
  const ssize_t count = ::read(child_->output(), output_buffer_.data(), output_buffer_.size());
  if (count > 0) note_output({output_buffer_.data(), static_cast<std::size_t>(count)});
  if (std::chrono::steady_clock::now() - started_ >= kHealthyAfter) restart_delay_ = options_.restart_delay_min;
  logger_.warn("managed broker ended",
               {{"reason", reason}, {"lastOutput", last_line_}, {"restartInMs", restart_delay_.count()}});
  // The descriptor belongs to the child, which closes it.
  output_.release();
  child_.reset();
  arm_restart();
}

void ManagedBroker::arm_restart() {
  restart_timer_.expires_after(restart_delay_);
  restart_delay_ = std::min(restart_delay_ * 2, options_.restart_delay_max);
  restart_timer_.async_wait([this](error_code fault) {
    if (!fault) restart();
  });
}

void ManagedBroker::restart() {
  if (const auto launched = launch(); !launched) {
    logger_.error("managed broker not restarted", {{"error", launched.error()}});
    arm_restart();
    return;
  }
  logger_.info("managed broker restarted", {{"port", port()}, {"pid", pid()}});
  supervise();
}

}  // namespace famemely::io
