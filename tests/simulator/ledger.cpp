#include "ledger.hpp"

namespace famemely::mqtt::simulator {

PublishProperties properties_of(std::size_t number, bool any) {
  if (!any) return {};
  PublishProperties properties;
  if (number % 2 == 0) properties.content_type = "text/" + std::to_string(number);
  if (number % 3 == 0) properties.response_topic = "answers/" + std::to_string(number);
  if (number % 5 == 0) properties.correlation_data = std::string("\0\xFF", 2) + std::to_string(number);
  if (number % 7 == 0) properties.message_expiry_s = static_cast<std::uint32_t>(number);
  properties.payload_is_utf8 = number % 11 == 0;
  for (std::size_t i = 0; i < number % 4; ++i) properties.user_properties.push_back({"n", std::to_string(number + i)});
  return properties;
}

void Ledger::check_outgoing() const {
  for (std::size_t number = 0; number < outgoing.size(); ++number) {
    const Outgoing& message = outgoing[number];
    require(message.completions == (message.accepted ? 1U : 0U), "not completed exactly once: our message", number);
    if (went_back) continue;
    const std::size_t losses = message.losses_after - message.losses_before;
    if (!message.accepted) require(message.receptions == 0, "refused, and sent nevertheless: our message", number);
    if (message.qos == 0) require(message.receptions <= 1, "QoS 0 sent twice: our message", number);
    if (message.qos > 0 && message.taken)
      require(message.deliveries >= 1 || (losses > 0 && message.qos == 2), "taken, but not there: our message", number);
    if (message.qos == 2 && exactly_once)
      require(message.deliveries <= 1 + losses, "QoS 2 delivered more than once: our message", number);
    if (message.accepted && !message.taken && message.code >= 0x80 && message.note.empty())
      require(message.refusals > 0, "a reason code that the broker never gave: our message", number);
  }
}

void Ledger::check_incoming() const {
  for (std::size_t number = 0; number < incoming.size(); ++number) {
    const Incoming& message = incoming[number];
    if (message.foreign) require(message.received == 0, "a message of the session that was to be cleared", number);
    if (went_back) continue;
    if (message.qos != 1) require(message.received <= 1, "received more than once: message", number);
    if (message.qos > 0 && !message.lost) require(message.received >= 1, "never received: message", number);
  }
}

}  // namespace famemely::mqtt::simulator
