// Healthy sockets that measure how late a message is, and beside them handshakes that are no good, at a fixed rate:
// flood_latency_clients PORT TOKEN SOCKETS SECONDS RATE. Prints one line of JSON. Everything in one thread, so that it
// can be kept away from the gateway's core; where it falls behind its own rate it says so.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t kInFlightMax = 4'000;
constexpr milliseconds kPublishInterval{20};
constexpr milliseconds kWarmUp{1'000};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "flood_latency_clients: %s\n", what.c_str());
  std::exit(1);
}

std::int64_t now_ns() { return std::chrono::duration_cast<nanoseconds>(Clock::now().time_since_epoch()).count(); }

std::string upgrade_request(std::string_view more = "") {
  return fmt::format(
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "
      "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n",
      more);
}

/// A masked text frame; a mask of zeros changes nothing.
std::string frame(std::string_view text) {
  std::string bytes{'\x81'};
  if (text.size() < 126) {
    bytes += static_cast<char>(0x80 | text.size());
  } else {
    bytes += '\xFE';
    bytes += static_cast<char>(text.size() >> 8);
    bytes += static_cast<char>(text.size() & 0xFF);
  }
  return bytes.append(4, '\0').append(text);
}

/// Takes the next unmasked frame's payload off the front; false if it is not whole yet.
bool take_frame(std::string& in, std::string& payload) {
  if (in.size() < 2) return false;
  std::size_t head = 2;
  std::size_t size = static_cast<unsigned char>(in[1]) & 0x7F;
  if (size == 126) {
    if (in.size() < 4) return false;
    size = std::size_t{static_cast<unsigned char>(in[2])} << 8 | static_cast<unsigned char>(in[3]);
    head = 4;
  } else if (size == 127) {
    die("a frame of over 65,535 bytes");
  }
  if (in.size() < head + size) return false;
  payload = in.substr(head, size);
  in.erase(0, head + size);
  return true;
}

enum class Kind { healthy, bad_origin, garbage, bad_token };

struct Connection {
  Kind kind;
  int descriptor;
  std::string in;
  bool sent = false;
  bool upgraded = false;
};

class Clients {
 public:
  Clients(std::uint16_t port, std::string token) : token_(std::move(token)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(port);
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  void open_healthy(int count) {
    for (int i = 0; i < count; ++i) {
      const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0)
        die(std::strerror(errno));
      const int on = 1;
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      std::string in;
      say(descriptor, upgrade_request());
      wait_for(descriptor, in, "\r\n\r\n");
      in.erase(0, in.find("\r\n\r\n") + 4);
      say(descriptor, frame(R"(40/mqtt,{"recovery":false,"token":")" + token_ + "\"}"));
      wait_for(descriptor, in, "40/mqtt,");
      say(descriptor, frame(R"(42/mqtt,0["mqtt:subscribe",{"topic":"bench/flood"}])"));
      wait_for(descriptor, in, "43/mqtt,0");
      watch(std::make_unique<Connection>(Connection{Kind::healthy, descriptor, {}, true, true}), EPOLLIN);
      healthy_.push_back(descriptor);
    }
  }

  void run(std::chrono::seconds duration, double rate) {
    const auto begun = Clock::now();
    const auto measured_from = begun + kWarmUp;
    const auto end = measured_from + duration;
    measured_from_ns_ = std::chrono::duration_cast<nanoseconds>(measured_from.time_since_epoch()).count();
    auto next_publish = begun;
    for (auto now = begun; now < end + milliseconds(200); now = Clock::now()) {
      if (now >= next_publish && now < end) {
        say(healthy_.front(),
            frame(fmt::format(R"(42/mqtt,["mqtt:publish",{{"topic":"bench/flood","payload":{}}}])", now_ns())));
        next_publish += kPublishInterval;
      }
      const auto due = static_cast<std::uint64_t>(std::chrono::duration<double>(now - begun).count() * rate);
      while (now < end && started_ < due) start_bad();
      poll();
    }
  }

  [[nodiscard]] std::string report(double rate, double seconds) {
    std::ranges::sort(latencies_us_);
    const auto percentile = [&](double share) {
      if (latencies_us_.empty()) die("no message came");
      return latencies_us_[std::min(latencies_us_.size() - 1,
                                    static_cast<std::size_t>(share * static_cast<double>(latencies_us_.size())))];
    };
    return fmt::format(R"({{"rate":{},"messages":{},"p50_us":{:.0f},"p99_us":{:.0f},"p999_us":{:.0f},"max_us":{:.0f},)"
                       R"("handshakes":{},"handshakes_per_second":{:.0f},"answered":{},"left_out":{}}})",
                       rate, latencies_us_.size(), percentile(0.5), percentile(0.99), percentile(0.999),
                       latencies_us_.back(), started_, static_cast<double>(started_) / seconds, answered_, left_out_);
  }

 private:
  static void say(int descriptor, std::string_view bytes) {
    if (::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      die("a healthy connection takes nothing");
  }
  static void wait_for(int descriptor, std::string& in, std::string_view what) {
    char buffer[4096];
    while (in.find(what) == std::string::npos) {
      const ssize_t size = ::recv(descriptor, buffer, sizeof buffer, 0);
      if (size <= 0) die(fmt::format("the gateway did not say {}: {}", what, in));
      in.append(buffer, static_cast<std::size_t>(size));
    }
  }

  void watch(std::unique_ptr<Connection> connection, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = connection->descriptor;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->descriptor, &event);
    connections_[connection->descriptor] = std::move(connection);
  }

  void start_bad() {
    constexpr std::array kKinds{Kind::bad_origin, Kind::garbage, Kind::bad_token};
    const Kind kind = kKinds[started_++ % kKinds.size()];
    if (connections_.size() - healthy_.size() >= kInFlightMax) {
      ++left_out_;
      return;
    }
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const linger at_once{1, 0};  // a reset leaves no port behind in TIME_WAIT
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (descriptor < 0 || (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0 &&
                           errno != EINPROGRESS)) {
      ++left_out_;
      ::close(descriptor);
      return;
    }
    watch(std::make_unique<Connection>(Connection{kind, descriptor, {}}), EPOLLIN | EPOLLOUT);
  }

  void poll() {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), 1);
    for (int i = 0; i < count; ++i) {
      const auto found = connections_.find(events[static_cast<std::size_t>(i)].data.fd);
      if (found == connections_.end()) continue;
      Connection& connection = *found->second;
      if (connection.kind == Kind::healthy)
        read_healthy(connection);
      else if (!go_on_bad(connection))
        forget(connection.descriptor);
    }
  }

  void read_healthy(Connection& connection) {
    char buffer[65'536];
    const ssize_t size = ::recv(connection.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) die("a healthy connection was closed");
    const std::int64_t now = now_ns();
    connection.in.append(buffer, static_cast<std::size_t>(size));
    std::string payload;
    while (take_frame(connection.in, payload)) {
      if (payload == "2") say(connection.descriptor, frame("3"));
      if (payload.find("\"mqtt:message\"") == std::string::npos) continue;
      const std::size_t at = payload.find("\"payload\":");
      const std::int64_t sent = std::strtoll(payload.c_str() + at + 10, nullptr, 10);
      if (sent >= measured_from_ns_) latencies_us_.push_back(static_cast<double>(now - sent) / 1000.0);
    }
  }

  /// False once it has had its answer.
  bool go_on_bad(Connection& connection) {
    if (!connection.sent) {
      connection.sent = true;
      send_first(connection);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = connection.descriptor;
      ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event);
      return true;
    }
    char buffer[4096];
    const ssize_t size = ::recv(connection.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    connection.in.append(buffer, static_cast<std::size_t>(size));
    if (connection.kind != Kind::bad_token) {
      ++answered_;
      return false;
    }
    if (!connection.upgraded && connection.in.find("\r\n\r\n") != std::string::npos) {
      connection.upgraded = true;
      const std::string bad = frame(
          fmt::format(R"(40/mqtt,{{"token":"{}{:06}"}})", token_.substr(0, token_.size() - 6), started_ % 1'000'000));
      static_cast<void>(::send(connection.descriptor, bad.data(), bad.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    if (connection.in.find("44/mqtt,") == std::string::npos) return true;
    ++answered_;
    return false;
  }

  void send_first(Connection& connection) {
    std::string first;
    if (connection.kind == Kind::bad_origin) first = upgrade_request("Origin: https://evil.example\r\n");
    if (connection.kind == Kind::garbage) first = "\x01\x02\x03 garbage that is no request\r\n\r\n";
    if (connection.kind == Kind::bad_token) first = upgrade_request();
    static_cast<void>(::send(connection.descriptor, first.data(), first.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  void forget(int descriptor) {
    ::close(descriptor);
    connections_.erase(descriptor);
  }

  std::string token_;
  int epoll_;
  sockaddr_in address_{};
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<int> healthy_;
  std::vector<double> latencies_us_;
  std::int64_t measured_from_ns_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) die("usage: flood_latency_clients PORT TOKEN SOCKETS SECONDS RATE");
  Clients clients(static_cast<std::uint16_t>(std::atoi(arguments[1])), arguments[2]);
  clients.open_healthy(std::atoi(arguments[3]));
  const int seconds = std::atoi(arguments[4]);
  const double rate = std::atof(arguments[5]);
  clients.run(std::chrono::seconds(seconds), rate);
  std::puts(clients.report(rate, seconds + std::chrono::duration<double>(kWarmUp).count()).c_str());
}
