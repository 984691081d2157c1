#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace famemely {

/// True as soon as the condition is, false if it never is.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              std::chrono::milliseconds patience = std::chrono::seconds(10));

/// A mosquitto of the test's own, on a free port of the loopback address.
class TestBroker {
 public:
  TestBroker();
  ~TestBroker();
  TestBroker(const TestBroker&) = delete;
  TestBroker& operator=(const TestBroker&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const;
  /// With SIGTERM: it keeps its sessions for the next start.
  void stop();
  void start();
  /// Publishes with mosquitto_pub, and waits for its end.
  void publish(const std::string& topic, const std::string& payload, const std::string& more = "-q 1") const;

 private:
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t process_ = 0;
};

}  // namespace famemely
