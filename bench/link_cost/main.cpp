// What one message costs a client of the broker on a port of 127.0.0.1, in CPU time of the thread that does it all:
//   link_cost PORT link|libmosquitto receive|publish QOS IN_FLIGHT MESSAGES
// Before it is counted as many as a tenth of the messages, and twice what is in flight, have gone.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "client.hpp"

namespace {

using namespace link_cost;

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

int run(char** args) {
  const auto port = static_cast<std::uint16_t>(std::stoi(args[1]));
  const std::string name = args[2];
  const bool receives = std::string(args[3]) == "receive";
  const auto qos = static_cast<std::uint8_t>(std::stoi(args[4]));
  const std::uint64_t in_flight = std::stoull(args[5]);
  const std::uint64_t messages = std::stoull(args[6]);
  const std::uint64_t warm_up = messages / 10 + 2 * in_flight;

  const auto client = name == "link" ? connect_link(port) : connect_libmosquitto(port);
  pid_t source = 0;
  if (receives) {
    client->subscribe(kTopic);
    source = ::fork();
    if (source == 0) {
      flood(port, warm_up + messages);
      std::_Exit(0);
    }
    client->receive(warm_up);
  } else {
    client->publish(qos, warm_up, in_flight);
  }
  const double cpu_before = cpu_us();
  const auto begin = std::chrono::steady_clock::now();
  if (receives)
    client->receive(messages);
  else
    client->publish(qos, messages, in_flight);
  const double cpu = cpu_us() - cpu_before;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("{\"cpuUs\":%.3f,\"perSecond\":%.0f}\n", cpu / static_cast<double>(messages),
              static_cast<double>(messages) / took.count());
  std::fflush(stdout);
  if (source > 0) ::waitpid(source, nullptr, 0);
  return 0;
}

}  // namespace

int main(int count, char** args) {
  if (count != 7) {
    std::fputs("usage: link_cost PORT link|libmosquitto receive|publish QOS IN_FLIGHT MESSAGES\n", stderr);
    return 2;
  }
  try {
    return run(args);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "link_cost: %s\n", error.what());
    return 1;
  }
}
