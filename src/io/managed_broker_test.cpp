#include "io/managed_broker.hpp"

#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::io {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class CollectingLogger final : public Logger {
 public:
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view event, const std::vector<LogField>&) override { events_.emplace_back(event); }
  [[nodiscard]] const std::vector<std::string>& events() const { return events_; }

 private:
  std::vector<std::string> events_;
};

/// True while the process runs; one that nobody has reaped yet does not.
bool runs(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.at(name_end + 2) != 'Z' && text.at(name_end + 2) != 'X';
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience = 5s) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return condition();
}

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return output;
  char buffer[256];
  while (const auto count = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, count);
  ::pclose(pipe);
  return output;
}

/// A message through the broker with mosquitto's own programs: retained, so that the order of the two does not matter.
std::string echo_through(std::uint16_t port, const std::string& text) {
  return output_of(
      fmt::format("mosquitto_pub -h 127.0.0.1 -p {0} -q 1 -r -t echo -m {1} 2>&1 && "
                  "mosquitto_sub -h 127.0.0.1 -p {0} -t echo -C 1 -W 5 2>&1",
                  port, text));
}

class ManagedBrokerTest : public testing::Test {
 protected:
  std::unique_ptr<ManagedBroker> start(ManagedBrokerOptions options = {}) {
    auto broker = ManagedBroker::start(loop_, std::move(options), logger_);
    if (!broker) throw std::runtime_error(broker.error());
    return std::move(*broker);
  }

  bool loop_until(const std::function<bool()>& condition) {
    return eventually([&] {
      loop_.restart();
      loop_.run_for(5ms);
      return condition();
    });
  }

  boost::asio::io_context loop_;
  CollectingLogger logger_;
};

TEST_F(ManagedBrokerTest, ServesMqttProgramsOnALoopbackPort) {
  const auto broker = start();
  EXPECT_GT(broker->port(), 0);
  EXPECT_EQ(echo_through(broker->port(), "hello"), "hello\n");
  EXPECT_THAT(logger_.events(), testing::Contains("managed broker listening"));
}

TEST_F(ManagedBrokerTest, ListensWhereItIsTold) {
  std::uint16_t port = 0;
  { port = start()->port(); }
  ManagedBrokerOptions options;
  options.port = port;
  EXPECT_EQ(start(options)->port(), port);
}

TEST_F(ManagedBrokerTest, ReportsAPortThatIsTaken) {
  const auto first = start();
  ManagedBrokerOptions options;
  options.port = first->port();
  const auto second = ManagedBroker::start(loop_, options, logger_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr(fmt::format("127.0.0.1:{}: Address already in use", first->port())));
}

TEST_F(ManagedBrokerTest, NamesThePackageIfThereIsNoMosquitto) {
  ManagedBrokerOptions options;
  options.directories = {"/nonexistent"};
  const auto broker = ManagedBroker::start(loop_, options, logger_);
  ASSERT_FALSE(broker);
  EXPECT_THAT(broker.error(), HasSubstr("apt-get install mosquitto"));
}

TEST_F(ManagedBrokerTest, SaysHowAProgramThatIsNoBrokerEnded) {
  const std::string directory = testing::TempDir() + fmt::format("famemely-broker-{}", ::getpid());
  ASSERT_EQ(output_of(fmt::format("mkdir -p {0} && printf '#!/bin/sh\\necho out of luck >&2\\nexit 3\\n' > "
                                  "{0}/mosquitto && chmod +x {0}/mosquitto",
                                  directory)),
            "");
  ManagedBrokerOptions options;
  options.directories = {directory};
  const auto broker = ManagedBroker::start(loop_, options, logger_);
  output_of(fmt::format("rm -r {}", directory));
  ASSERT_FALSE(broker);
  EXPECT_THAT(broker.error(), HasSubstr("exited with status 3: out of luck"));
}

TEST_F(ManagedBrokerTest, StopsItsChildWhenItIsDestroyed) {
  pid_t pid = 0;
  { pid = start()->pid(); }
  EXPECT_FALSE(runs(pid));
}

TEST_F(ManagedBrokerTest, KillsAChildThatDoesNotEndWhenAsked) {
  ManagedBrokerOptions options;
  options.stop_timeout = 50ms;
  auto broker = start(options);
  const pid_t pid = broker->pid();
  ::kill(pid, SIGSTOP);  // a stopped process takes no SIGTERM
  broker.reset();
  EXPECT_FALSE(runs(pid));
}

TEST_F(ManagedBrokerTest, StartsAKilledChildAgainOnTheSamePort) {
  const auto broker = start();
  const auto port = broker->port();
  for (int round = 0; round < 2; ++round) {
    const pid_t before = broker->pid();
    ::kill(before, SIGKILL);
    ASSERT_TRUE(loop_until([&] { return broker->pid() != 0 && broker->pid() != before; }));
    EXPECT_EQ(broker->port(), port);
    EXPECT_TRUE(eventually([&] { return echo_through(port, "again") == "again\n"; }));
  }
  EXPECT_THAT(logger_.events(), testing::Contains("managed broker ended").Times(2));
}

TEST_F(ManagedBrokerTest, WaitsLongerBeforeEachRestartOfAChildThatKeepsDying) {
  ManagedBrokerOptions options;
  options.restart_delay_min = 20ms;
  const auto broker = start(options);
  std::vector<std::chrono::steady_clock::duration> waits;
  for (int round = 0; round < 4; ++round) {
    const pid_t before = broker->pid();
    const auto killed = std::chrono::steady_clock::now();
    ::kill(before, SIGKILL);
    ASSERT_TRUE(loop_until([&] { return broker->pid() != 0 && broker->pid() != before; }));
    waits.push_back(std::chrono::steady_clock::now() - killed);
  }
  EXPECT_GE(waits[3], 160ms);
  EXPECT_GE(waits[2], 80ms);
}

TEST_F(ManagedBrokerTest, LeavesChildrenOfOthersAlone) {
  const auto broker = start();
  const pid_t other = ::fork();
  if (other == 0) ::_exit(7);
  loop_.run_for(100ms);
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(runs(broker->pid()));
}

TEST_F(ManagedBrokerTest, GivesItsChildNoneOfOurDescriptors) {
  // Not close-on-exec, as Asio's sockets.
  const int ours = ::socket(AF_INET, SOCK_STREAM, 0);
  const auto broker = start();
  std::string listing = output_of(fmt::format("ls -l /proc/{}/fd", broker->pid()));
  std::string link = output_of(fmt::format("readlink /proc/{}/fd/{}", ::getpid(), ours));
  ::close(ours);
  ASSERT_THAT(link, HasSubstr("socket:"));
  link.pop_back();
  EXPECT_THAT(listing, testing::Not(HasSubstr(link)));
}

/// A process that owns a broker, as the gateway does, for the tests to kill.
struct Owner {
  pid_t pid = 0;
  pid_t broker = 0;
  std::uint16_t port = 0;
};

Owner fork_owner(bool as_plain_user, bool restart_first) {
  int report[2];
  if (::pipe(report) != 0) return {};
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (as_plain_user && ::geteuid() == 0) {
      const passwd* nobody = ::getpwnam("nobody");
      if (!nobody || ::setgroups(0, nullptr) != 0 || ::setgid(nobody->pw_gid) != 0 || ::setuid(nobody->pw_uid) != 0) {
        ::_exit(1);
      }
    }
    boost::asio::io_context loop;
    CollectingLogger logger;
    const auto broker = ManagedBroker::start(loop, {}, logger);
    if (!broker) ::_exit(2);
    if (restart_first) {
      const pid_t first = (*broker)->pid();
      ::kill(first, SIGKILL);
      while ((*broker)->pid() == 0 || (*broker)->pid() == first) loop.run_for(5ms);
    }
    const Owner self{.pid = ::getpid(), .broker = (*broker)->pid(), .port = (*broker)->port()};
    if (::write(report[1], &self, sizeof self) != sizeof self) ::_exit(3);
    loop.run();
    ::_exit(0);
  }
  ::close(report[1]);
  Owner owner;
  const bool reported = ::read(report[0], &owner, sizeof owner) == sizeof owner;
  ::close(report[0]);
  if (!reported) {
    ::waitpid(pid, nullptr, 0);
    return {};
  }
  return owner;
}

void expect_no_survivor(bool as_plain_user, bool restart_first) {
  const Owner owner = fork_owner(as_plain_user, restart_first);
  ASSERT_GT(owner.broker, 0);
  EXPECT_TRUE(eventually([&] { return echo_through(owner.port, "alive") == "alive\n"; }));
  ::kill(owner.pid, SIGKILL);
  ::waitpid(owner.pid, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !runs(owner.broker); }));
}

TEST(ManagedBrokerDeath, LeavesNoBrokerBehindWhenAPlainUsersGatewayIsKilled) { expect_no_survivor(true, false); }

TEST(ManagedBrokerDeath, LeavesNoRestartedBrokerBehindEither) { expect_no_survivor(true, true); }

TEST(ManagedBrokerDeath, LeavesNoBrokerBehindWhenRootsGatewayIsKilled) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  expect_no_survivor(false, false);
}

}  // namespace
}  // namespace famemely::io
