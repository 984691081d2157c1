#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace famemely {

/// What travels with a message from its publisher to its receivers, with MQTT 5. A broker of version 3.1.1 brings none,
/// and a publish that sets any is refused with code 400.
struct MqttProperties {
  std::optional<std::string> content_type{};
  std::optional<std::string> response_topic{};
  std::optional<std::string> correlation_data{};  // bytes
  std::optional<std::chrono::seconds> message_expiry{};
  std::vector<std::pair<std::string, std::string>> user_properties{};
  bool payload_is_utf8 = false;  // said by the publisher, and checked by no one

  bool operator==(const MqttProperties&) const = default;
};

/// A message from the broker.
struct MqttMessage {
  std::string topic;
  std::string payload;   // bytes
  std::uint8_t qos = 0;  // the lower of the publisher's and the handler's
  /// True only for a retained message that came because of a new subscription; its `qos` is 0.
  bool retain = false;
  std::chrono::system_clock::time_point received_at{};
  MqttProperties properties{};
};

/// What is to be published.
struct MqttPublication {
  std::string topic;
  std::string payload;  // bytes, or text in UTF-8
  std::uint8_t qos = 0;
  bool retain = false;
  MqttProperties properties{};
};

/// A refusal. The codes are those of the gateway's HTTP answers:
///   400  the request can't be right: a malformed topic or filter, a quality of service that does not exist
///   403  the broker does not allow it
///   404  there is no such subscription
///   413  the message is larger than the broker takes
///   502  the broker has refused it; the message says why
///   503  there is no connection (any more), or too much is waiting already
///   504  the broker has not acknowledged within 30 s; it may still have the message
class MqttError : public std::runtime_error {
 public:
  MqttError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace famemely
