#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/mqtt/packet.hpp"
#include "violation.hpp"

namespace famemely::mqtt::simulator {

/// A message that the caller gave to the session. Its number is its token, and stands in its payload.
struct Outgoing {
  std::string topic;
  std::size_t payload_bytes = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool with_properties = false;
  bool accepted = false;
  std::size_t completions = 0;
  bool taken = false;
  std::string note{};
  std::uint8_t code = 0;
  std::size_t refusals = 0;  // by the broker, as 0x97
  std::size_t receptions = 0;
  std::size_t deliveries = 0;     // handed on by the broker
  std::size_t losses_before = 0;  // of the broker's session, when it was given
  std::size_t losses_after = 0;   // and when it was completed
  std::size_t sent_in_epoch = 0;  // the session's, at its last sending; 0: never
  std::size_t drops = 0;          // connections that went while it was on the wire
  bool on_wire = false;
};

/// What others do wrong in a message, and a broker may pass on.
enum class PublishersFault : std::uint8_t { none, topic, content_type, response_topic };
inline constexpr std::string_view kNoText = "\xFF";

/// A copy of a message of others that the broker queued for the session.
struct Incoming {
  std::string topic;
  std::size_t payload_bytes = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool with_properties = false;
  std::vector<std::uint32_t> identifiers{};
  PublishersFault fault = PublishersFault::none;
  bool lost = false;     // with the broker's session, or as too large for us or not fit to be told
  bool foreign = false;  // of a session that the first connection clears
  std::size_t received = 0;
};

/// What was asked for and what became of it.
class Ledger {
 public:
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  std::size_t session_losses = 0;                        // of the broker's
  std::map<std::size_t, std::size_t> losses_at_connack;  // by link
  /// The broker went back to an old snapshot of its session: it may have forgotten what it acknowledged, and repeat
  /// what we did.
  bool went_back = false;
  bool exactly_once = true;  // false with a broker that treats QoS 2 as QoS 1

  [[nodiscard]] static std::string payload_of(std::size_t number, std::size_t bytes) {
    std::string payload = std::to_string(number) + ';';
    if (payload.size() < bytes) payload.resize(bytes, 'x');
    return payload;
  }
  [[nodiscard]] static std::size_t number_in(std::string_view payload, std::size_t end) {
    std::size_t number = 0;
    const auto [at, error] = std::from_chars(payload.data(), payload.data() + payload.size(), number);
    require(error == std::errc() && at != payload.data() + payload.size() && *at == ';' && number < end,
            "a payload arrived that nobody sent");
    return number;
  }
  Outgoing& sent_as(std::string_view payload) { return outgoing[number_in(payload, outgoing.size())]; }

  /// After everything came to rest.
  void check_outgoing() const;
  void check_incoming() const;
};

[[nodiscard]] PublishProperties properties_of(std::size_t number, bool any);

}  // namespace famemely::mqtt::simulator
