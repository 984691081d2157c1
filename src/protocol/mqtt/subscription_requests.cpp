#include "protocol/mqtt/subscription_requests.hpp"

#include <string>
#include <vector>

namespace famemely::mqtt {
namespace {

std::vector<ReasonCode> reason_codes(std::string_view bytes) {
  std::vector<ReasonCode> codes;
  codes.reserve(bytes.size());
  for (char byte : bytes) codes.push_back(static_cast<ReasonCode>(byte));
  return codes;
}

}  // namespace

std::optional<std::uint16_t> SubscriptionRequests::add(Kind kind, Token token, std::size_t filters) {
  const std::optional<std::uint16_t> id = packet_ids_.acquire();
  if (id) requests_.emplace(*id, Request{kind, token, filters});
  return id;
}

void SubscriptionRequests::withdraw(std::uint16_t packet_id) {
  requests_.erase(packet_id);
  packet_ids_.release(packet_id);
}

const SubscriptionRequests::Request* SubscriptionRequests::find(std::uint16_t packet_id, Effects& effects) const {
  const auto found = requests_.find(packet_id);
  if (found == requests_.end()) {
    effects.events.emplace_back(
        Warning{"SUBACK or UNSUBACK for an unknown packet identifier " + std::to_string(packet_id)});
    return nullptr;
  }
  return &found->second;
}

std::optional<DecodeFault> SubscriptionRequests::on_suback(const SubAck& suback, Effects& effects) {
  const Request* request = find(suback.packet_id, effects);
  if (!request) return std::nullopt;
  if (request->kind != Kind::subscribe) return DecodeFault{ReasonCode::protocol_error, "SUBACK for an UNSUBSCRIBE"};
  if (suback.codes.size() != request->filters)
    return DecodeFault{ReasonCode::protocol_error, "SUBACK has not one code for each filter"};
  effects.events.emplace_back(SubscribeCompleted{request->token, false, reason_codes(suback.codes),
                                                 std::string(suback.reason_string.value_or(std::string_view()))});
  withdraw(suback.packet_id);
  return std::nullopt;
}

std::optional<DecodeFault> SubscriptionRequests::on_unsuback(const UnsubAck& unsuback, ProtocolVersion version,
                                                             Effects& effects) {
  const Request* request = find(unsuback.packet_id, effects);
  if (!request) return std::nullopt;
  if (request->kind != Kind::unsubscribe) return DecodeFault{ReasonCode::protocol_error, "UNSUBACK for a SUBSCRIBE"};
  if (version == ProtocolVersion::v3_1_1) {
    effects.events.emplace_back(
        UnsubscribeCompleted{request->token, false, std::vector(request->filters, ReasonCode::success)});
    withdraw(unsuback.packet_id);
    return std::nullopt;
  }
  if (unsuback.codes.size() != request->filters)
    return DecodeFault{ReasonCode::protocol_error, "UNSUBACK has not one code for each filter"};
  effects.events.emplace_back(UnsubscribeCompleted{request->token, false, reason_codes(unsuback.codes),
                                                   std::string(unsuback.reason_string.value_or(std::string_view()))});
  withdraw(unsuback.packet_id);
  return std::nullopt;
}

void SubscriptionRequests::on_closed(bool blame, Effects& effects) {
  for (const auto& [packet_id, request] : requests_) {
    packet_ids_.release(packet_id);
    if (request.kind == Kind::subscribe)
      effects.events.emplace_back(
          SubscribeCompleted{.token = request.token, .lost = true, .codes = {}, .blames_us = blame});
    else
      effects.events.emplace_back(UnsubscribeCompleted{request.token, true, {}});
  }
  requests_.clear();
}

}  // namespace famemely::mqtt
