#include "test_broker.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace famemely {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool bound = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(descriptor);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool listens(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return connected;
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

TestBroker::TestBroker() : port_(free_port()) {
  std::string name = (std::filesystem::temp_directory_path() / "famemely-broker-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  folder_ = name;
  std::ofstream(folder_ / "mosquitto.conf") << fmt::format(
      "listener {} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n"
      "max_inflight_messages 0\nmax_queued_messages 0\nuser {}\n",
      port_, folder_.string(), ::geteuid() == 0 ? "root" : "nobody");
  start();
}

TestBroker::~TestBroker() {
  stop();
  std::filesystem::remove_all(folder_);
}

std::string TestBroker::url() const { return fmt::format("mqtt://127.0.0.1:{}", port_); }

void TestBroker::start() {
  const std::string configuration = (folder_ / "mosquitto.conf").string();
  const std::string log = (folder_ / "log").string();
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int descriptor = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(descriptor, STDOUT_FILENO);
    ::dup2(descriptor, STDERR_FILENO);
    ::execlp("mosquitto", "mosquitto", "-c", configuration.c_str(), nullptr);
    ::_exit(127);
  }
  // Should somebody else have taken the port, ours has ended.
  const auto ended = [this] { return ::waitpid(process_, nullptr, WNOHANG) != 0; };
  if (!eventually([&] { return ended() || listens(port_); }) || ended())
    throw std::runtime_error("mosquitto does not start");
}

void TestBroker::stop() {
  if (process_ == 0) return;
  // Again and again: a mosquitto that has only just begun to listen forgets the signal.
  const auto ended = [this] {
    ::kill(process_, SIGTERM);
    return eventually([this] { return ::waitpid(process_, nullptr, WNOHANG) != 0; }, std::chrono::milliseconds(500));
  };
  while (!ended()) {
  }
  process_ = 0;
}

void TestBroker::publish(const std::string& topic, const std::string& payload, const std::string& more) const {
  const std::string command =
      fmt::format("mosquitto_pub -h 127.0.0.1 -p {} {} -t '{}' -m '{}'", port_, more, topic, payload);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("mosquitto_pub failed");
}

}  // namespace famemely
