#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "protocol/mqtt/packet.hpp"

namespace famemely::mqtt {

/// MQTT_VERSION.
enum class VersionChoice : std::uint8_t { automatic, only_5, only_3_1_1 };

struct SessionOptions {
  std::string client_id;  // empty: the broker assigns one (of use with session_expiry_s 0, or version 5)
  std::optional<std::string> username{};
  std::optional<std::string> password{};
  std::optional<Will> will{};
  VersionChoice version = VersionChoice::automatic;

  std::uint16_t keepalive_s = 30;  // 0: none
  Duration connack_timeout = std::chrono::seconds(30);

  /// The first accepted connection forgets what the broker holds for the client id; later ones resume.
  bool clean_start_first = true;
  /// How long the broker keeps the session between connections. With 0 each connection starts clean, in 3.1.1 too.
  std::uint32_t session_expiry_s = 3600;

  // What we say and announce to a broker of version 5.
  std::vector<UserProperty> user_properties{};  // in CONNECT
  bool request_response_information = false;
  std::uint16_t receive_maximum = 65'535;
  std::uint16_t topic_alias_maximum = 64;
  /// Also the bound for what is received: see MessageTooLarge.
  std::size_t packet_bytes_max = 1'000'000 + 128 * 1024;

  /// Aliases that we use at most towards a broker that allows them.
  std::uint16_t outbound_topic_aliases_max = 64;
  /// QoS 1 and 2 messages in flight at most, whatever the broker allows.
  std::uint16_t in_flight_max = 65'535;
  std::size_t in_flight_bytes_max = std::size_t{64} * 1024 * 1024;
  /// What may wait beyond the broker's Receive Maximum: publishes past either bound are refused.
  std::size_t queued_publishes_max = 10'000;
  std::size_t queued_bytes_max = std::size_t{64} * 1024 * 1024;
};

}  // namespace famemely::mqtt
