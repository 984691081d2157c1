#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/packet_ids.hpp"
#include "protocol/mqtt/session_effects.hpp"

namespace famemely::mqtt {

/// SUBSCRIBE and UNSUBSCRIBE packets that wait for their answer. They do not outlive the connection.
class SubscriptionRequests {
 public:
  explicit SubscriptionRequests(PacketIds& packet_ids) : packet_ids_(packet_ids) {}

  enum class Kind : std::uint8_t { subscribe, unsubscribe };
  /// The packet identifier to send, or nothing if all are in use.
  std::optional<std::uint16_t> add(Kind kind, Token token, std::size_t filters);
  /// The packet is not sent after all.
  void withdraw(std::uint16_t packet_id);
  [[nodiscard]] std::optional<DecodeFault> on_suback(const SubAck& suback, Effects& effects);
  [[nodiscard]] std::optional<DecodeFault> on_unsuback(const UnsubAck& unsuback, ProtocolVersion version,
                                                       Effects& effects);
  /// `blame`: the connection may have ended because of what was asked.
  void on_closed(bool blame, Effects& effects);

 private:
  struct Request {
    Kind kind;
    Token token;
    std::size_t filters;
  };

  /// Nothing and a warning if there is none. A wrong answer leaves the request: it ends with the connection.
  const Request* find(std::uint16_t packet_id, Effects& effects) const;

  PacketIds& packet_ids_;
  std::unordered_map<std::uint16_t, Request> requests_;
};

}  // namespace famemely::mqtt
