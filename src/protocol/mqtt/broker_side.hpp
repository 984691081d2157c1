#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "protocol/mqtt/encoder.hpp"
#include "protocol/mqtt/session_effects.hpp"
#include "protocol/mqtt/topic_aliases.hpp"

namespace famemely::mqtt {

/// What holds for the connection that stands: which version it speaks, what the broker takes, the aliases we gave.
struct BrokerSide {
  ProtocolVersion version = ProtocolVersion::v5;
  BrokerCapabilities capabilities{};
  OutboundTopicAliases aliases{};

  /// Why the broker would refuse the message, as the client shall be told it; nothing if it can be sent.
  [[nodiscard]] std::optional<Error> refusal(const PublishFields& publish) const;
  [[nodiscard]] std::optional<Error> refusal(const SubscribeEntry& entry) const;
  [[nodiscard]] std::optional<Error> refusal_of_size(std::size_t packet_bytes) const;

  /// Writes a PUBLISH, with an alias for its topic where that is possible.
  void write(PublishFields publish, std::string& out);
};

}  // namespace famemely::mqtt
