#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace link_cost {

/// What is measured: a client of a broker, on one thread, which does nothing with what it receives but count it.
class Client {
 public:
  virtual ~Client() = default;
  /// Returns once the filter is granted.
  virtual void subscribe(const std::string& filter) = 0;
  /// Returns once so many messages have come since the last call.
  virtual void receive(std::uint64_t messages) = 0;
  /// Returns once so many messages are answered (QoS 0: written), at most `in_flight` of them at a time.
  virtual void publish(std::uint8_t qos, std::uint64_t messages, std::uint64_t in_flight) = 0;
};

inline constexpr const char* kTopic = "bench/link/1";
inline constexpr std::size_t kPayloadBytes = 200;

/// Both return a connected client, of version 5.
std::unique_ptr<Client> connect_link(std::uint16_t port);
std::unique_ptr<Client> connect_libmosquitto(std::uint16_t port);

/// Publishes so many messages at QoS 0 as fast as the broker takes them. Returns when the broker has read them all.
void flood(std::uint16_t port, std::uint64_t messages);

}  // namespace link_cost
