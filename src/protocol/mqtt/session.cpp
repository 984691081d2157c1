#include "protocol/mqtt/session.hpp"

#include <functional>
#include <utility>

#include "base/utf8.hpp"
#include "protocol/mqtt/encoder.hpp"
#include "protocol/mqtt/mqtt_text.hpp"

namespace famemely::mqtt {
namespace {

constexpr std::string_view kNotConnected = "MQTT client is not connected";

Error unavailable(std::string_view message) { return {ErrorCode::unavailable, std::string(message)}; }
Error bad_request(std::string_view message) { return {ErrorCode::bad_request, std::string(message)}; }

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

std::size_t fingerprint_of(std::string_view topic, std::string_view payload) {
  const std::hash<std::string_view> hash;
  return hash(topic) * 31 + hash(payload);
}

/// What a publisher has done wrong in the topic of a message that has come; null if nothing.
const char* fault_of_received(std::string_view topic) {
  if (topic.empty()) return "its topic is empty";
  if (!is_mqtt_text(topic)) return "its topic is not UTF-8, or holds the null character";
  if (topic.find_first_of("+#") != topic.npos) return "its topic holds a wildcard";
  return nullptr;
}

}  // namespace

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      fallback_(options_.version),
      reader_(options_.packet_bytes_max),
      outbound_(options_, packet_ids_),
      inbound_aliases_(options_.topic_alias_maximum),
      requests_(packet_ids_) {}

// --- time ---

Instant Session::next_deadline() const {
  return phase_ == Phase::connecting ? connect_sent_ + options_.connack_timeout : keepalive_.deadline();
}

void Session::on_timer(Instant now, Effects& effects) {
  if (phase_ == Phase::connecting && now >= next_deadline()) {
    fallback_.on_other_failure();
    fail_connecting({.reason = "broker did not answer CONNECT in time", .code = std::nullopt}, effects);
    return;
  }
  if (phase_ != Phase::connected) return;
  switch (keepalive_.check(now)) {
    case Keepalive::Verdict::fine:
      return;
    case Keepalive::Verdict::ping:
      encode_pingreq(effects.output);
      pings_.emplace_back();
      keepalive_.on_sent(now);
      return;
    case Keepalive::Verdict::dead:
      fail({ReasonCode::keep_alive_timeout, "broker did not answer PINGREQ in time"}, effects);
      return;
  }
}

void Session::note_sent(std::size_t output_before, Instant now, const Effects& effects) {
  if (effects.output.size() != output_before) keepalive_.on_sent(now);
}

// --- what arrives ---

void Session::on_bytes(std::string_view bytes, Instant now, Effects& effects) {
  if (phase_ == Phase::closed) return;
  const std::size_t output_before = effects.output.size();
  inbound_aliases_.free_retired();
  reader_.feed(bytes);
  if (!bytes.empty()) keepalive_.on_received(now);
  while (phase_ != Phase::closed) {
    const ReadOutcome outcome = reader_.next();
    if (std::holds_alternative<NeedMore>(outcome)) break;
    if (auto failure = handle(outcome, now, effects)) fail(std::move(*failure), effects);
  }
  note_sent(output_before, now, effects);
}

std::optional<Session::Failure> Session::handle(const ReadOutcome& outcome, Instant now, Effects& effects) {
  if (const auto* packet = std::get_if<ReceivedPacket>(&outcome)) return handle_packet(*packet, now, effects);
  if (const auto* large = std::get_if<OversizedPublish>(&outcome)) return handle_oversized(*large, effects);
  const auto& fault = std::get<DecodeFault>(outcome);
  return Failure{fault.code, std::string("broker broke the protocol: ") + fault.what};
}

std::optional<Session::Failure> Session::handle_packet(const ReceivedPacket& packet, Instant now, Effects& effects) {
  const auto broken = [](const std::optional<DecodeFault>& fault) -> std::optional<Failure> {
    if (!fault) return std::nullopt;
    return Failure{fault->code, std::string("broker broke the protocol: ") + fault->what};
  };
  if (std::holds_alternative<Auth>(packet))
    return Failure{ReasonCode::protocol_error, "broker asks for enhanced authentication, which we do not support",
                   true};
  if (phase_ == Phase::connecting && !std::holds_alternative<ConnAck>(packet))
    return Failure{ReasonCode::protocol_error, "broker broke the protocol: packet before CONNACK"};
  return std::visit(Overloaded{[&](const ConnAck& connack) { return handle_connack(connack, now, effects); },
                               [&](const Publish& publish) { return handle_publish(publish, effects); },
                               [&](const PublishAck& ack) { return handle_publish_ack(ack, effects); },
                               [&](const SubAck& suback) { return broken(requests_.on_suback(suback, effects)); },
                               [&](const UnsubAck& unsuback) {
                                 return broken(requests_.on_unsuback(unsuback, broker_.version, effects));
                               },
                               [&](const PingResp&) -> std::optional<Failure> {
                                 handle_pingresp(effects);
                                 return std::nullopt;
                               },
                               [&](const Disconnect& disconnect) -> std::optional<Failure> {
                                 handle_disconnect(disconnect, effects);
                                 return std::nullopt;
                               },
                               [&](const Auth&) -> std::optional<Failure> { return std::nullopt; }},
                    packet);
}

std::optional<Session::Failure> Session::resolve_alias(const Publish& publish, std::string_view& topic) {
  if (publish.topic_alias == 0) return std::nullopt;
  if (!inbound_aliases_.allows(publish.topic_alias))
    return Failure{ReasonCode::topic_alias_invalid, "broker broke the protocol: topic alias over our maximum"};
  if (!topic.empty()) {
    inbound_aliases_.set(publish.topic_alias, topic);
    return std::nullopt;
  }
  const std::optional<std::string_view> known = inbound_aliases_.find(publish.topic_alias);
  if (!known) return Failure{ReasonCode::topic_alias_invalid, "broker broke the protocol: topic alias without a topic"};
  topic = *known;
  return std::nullopt;
}

Result<InboundMessages::Received, Session::Failure> Session::receive(std::uint8_t qos, std::uint16_t packet_id,
                                                                     bool dup, std::size_t fingerprint,
                                                                     Effects& effects) {
  const auto outcome = inbound_.receive(qos, packet_id, dup, fingerprint, effects.output);
  if (const auto* fault = std::get_if<DecodeFault>(&outcome))
    return failure(Failure{fault->code, std::string("broker broke the protocol: ") + fault->what});
  return std::get<InboundMessages::Received>(outcome);
}

std::optional<Session::Failure> Session::handle_publish(const Publish& publish, Effects& effects) {
  std::string_view topic = publish.topic;
  if (auto failure = resolve_alias(publish, topic)) return failure;
  const char* fault = fault_of_received(topic);
  if (!fault) fault = publish.fault;
  if (fault) return pass_over(publish, topic, fault, effects);
  AcknowledgementHandle acknowledgement = 0;
  if (publish.qos > 0) {
    const std::size_t fingerprint = publish.qos == 2 ? fingerprint_of(topic, publish.payload) : 0;
    auto received = receive(publish.qos, publish.packet_id, publish.dup, fingerprint, effects);
    if (!received) return std::move(received.error());
    if (received->beyond_receive_maximum)
      effects.events.emplace_back(Warning{"broker has more messages unacknowledged than our Receive Maximum"});
    if (!received->deliver) return std::nullopt;
    acknowledgement = received->handle;
  }
  if (publish.left_out) warn_of_publisher("property left out", publish.left_out, topic, effects);
  effects.events.emplace_back(MessageReceived{.topic = topic,
                                              .payload = publish.payload,
                                              .qos = publish.qos,
                                              .retain = publish.retain,
                                              .dup = publish.dup,
                                              .acknowledgement = acknowledgement,
                                              .subscription_identifiers = publish.subscription_identifiers,
                                              .properties = publish.properties});
  return std::nullopt;
}

/// The broker should not have passed it on, but each lets something pass (and RabbitMQ makes `+` of the `*` in a
/// topic). To end the connection for it would let any publisher keep the link down, because the broker would send it
/// again.
std::optional<Session::Failure> Session::pass_over(const Publish& publish, std::string_view topic, const char* fault,
                                                   Effects& effects) {
  if (publish.qos > 0) {
    const std::size_t fingerprint = fingerprint_of(topic, publish.payload);
    auto received = receive(publish.qos, publish.packet_id, publish.dup, fingerprint, effects);
    if (!received) return std::move(received.error());
    inbound_.acknowledge(received->handle, effects.output);
  }
  warn_of_publisher("message passed over", fault, topic, effects);
  return std::nullopt;
}

void Session::warn_of_publisher(std::string_view outcome, std::string_view fault, std::string_view topic,
                                Effects& effects) {
  if (std::exchange(publishers_fault_told_, true)) return;
  effects.events.emplace_back(
      Warning{std::string(outcome).append(", because ").append(fault).append(": ").append(as_utf8(topic))});
}

std::optional<Session::Failure> Session::handle_oversized(const OversizedPublish& publish, Effects& effects) {
  if (phase_ == Phase::connecting)
    return Failure{ReasonCode::protocol_error, "broker broke the protocol: packet before CONNACK"};
  if (publish.qos > 0) {
    const std::size_t fingerprint = fingerprint_of(publish.topic, {}) + publish.packet_bytes;
    auto received = receive(publish.qos, publish.packet_id, publish.dup, fingerprint, effects);
    if (!received) return std::move(received.error());
    inbound_.acknowledge(received->handle, effects.output);
    if (!received->deliver) return std::nullopt;
  }
  if (const char* fault = fault_of_received(publish.topic)) {
    warn_of_publisher("message passed over", fault, publish.topic, effects);
    return std::nullopt;
  }
  effects.events.emplace_back(MessageTooLarge{std::string(publish.topic), publish.packet_bytes, publish.qos});
  return std::nullopt;
}

std::optional<Session::Failure> Session::handle_publish_ack(const PublishAck& ack, Effects& effects) {
  if (ack.type == PacketType::pubrel) {
    inbound_.on_pubrel(ack.packet_id, effects.output);
    return std::nullopt;
  }
  if (const auto fault = outbound_.on_ack(ack, broker_, effects))
    return Failure{fault->code, std::string("broker broke the protocol: ") + fault->what};
  return std::nullopt;
}

void Session::handle_pingresp(Effects& effects) {
  if (pings_.empty()) return;  // nobody asked, nobody is hurt
  if (const std::optional<Token> token = pings_.front()) effects.events.emplace_back(PingCompleted{*token});
  pings_.pop_front();
}

// --- commands ---

Result<void, Error> Session::publish(PublishCommand command, Instant now, Effects& effects) {
  if (phase_ != Phase::connected) return failure(unavailable(kNotConnected));
  if (command.qos > 2) return failure(bad_request("qos must be 0, 1 or 2"));
  const PublishFields fields{.topic = command.topic.text(),
                             .payload = command.payload,
                             .qos = command.qos,
                             .retain = command.retain,
                             .properties = &command.properties};
  if (auto fault = fault_of(command.properties)) return failure(bad_request(*fault));
  if (auto refusal = broker_.refusal(fields)) return failure(std::move(*refusal));
  const std::size_t output_before = effects.output.size();
  if (command.qos == 0) {
    broker_.write(fields, effects.output);
    effects.events.emplace_back(PublishCompleted{command.token, true, ReasonCode::success, {}});
  } else {
    const std::size_t bytes = command.topic.text().size() + command.payload.size();
    if (!outbound_.has_room_for(bytes))
      return failure(unavailable("too many messages are waiting for the MQTT broker"));
    OutboundMessage message{.token = command.token,
                            .topic = std::move(command.topic).text(),
                            .payload = std::move(command.payload),
                            .properties = nullptr,
                            .qos = command.qos,
                            .retain = command.retain};
    if (!command.properties.empty())
      message.properties = std::make_unique<const PublishProperties>(std::move(command.properties));
    outbound_.send(std::move(message), broker_, effects);
  }
  note_sent(output_before, now, effects);
  return {};
}

std::optional<Error> Session::refusal(const SubscribeCommand& command) const {
  if (phase_ != Phase::connected) return unavailable(kNotConnected);
  if (command.entries.empty()) return bad_request("topic must be given");
  for (const SubscribeEntry& entry : command.entries) {
    if (entry.qos > 2) return bad_request("qos must be 0, 1 or 2");
    if (auto refusal = broker_.refusal(entry)) return refusal;
  }
  if (auto refusal_of_properties = refusal(command.user_properties)) return refusal_of_properties;
  if (!command.subscription_identifier) return std::nullopt;
  if (*command.subscription_identifier == 0 || *command.subscription_identifier > kSubscriptionIdentifierMax)
    return bad_request("subscription identifier must be from 1 to 268435455");
  if (!broker_.capabilities.subscription_identifiers)
    return Error{ErrorCode::broker_refused, "broker does not support subscription identifiers"};
  return std::nullopt;
}

std::optional<Error> Session::refusal(const std::vector<UserProperty>& properties) const {
  if (properties.empty()) return std::nullopt;
  if (broker_.version == ProtocolVersion::v3_1_1)
    return bad_request("properties need MQTT 5, and the broker speaks 3.1.1");
  if (auto fault = fault_of(PublishProperties{.user_properties = properties})) return bad_request(*fault);
  return std::nullopt;
}

Result<void, Error> Session::subscribe(const SubscribeCommand& command, Instant now, Effects& effects) {
  if (auto refused = refusal(command)) return failure(std::move(*refused));
  const std::size_t output_before = effects.output.size();
  const auto id = requests_.add(SubscriptionRequests::Kind::subscribe, command.token, command.entries.size());
  if (!id) return failure(unavailable("too many requests are waiting for the MQTT broker"));
  encode_subscribe(*id, command.entries, command.subscription_identifier, command.user_properties, broker_.version,
                   effects.output);
  if (auto refused = broker_.refusal_of_size(effects.output.size() - output_before)) {
    effects.output.resize(output_before);
    requests_.withdraw(*id);
    return failure(std::move(*refused));
  }
  note_sent(output_before, now, effects);
  return {};
}

Result<void, Error> Session::unsubscribe(const UnsubscribeCommand& command, Instant now, Effects& effects) {
  if (phase_ != Phase::connected) return failure(unavailable(kNotConnected));
  if (command.filters.empty()) return failure(bad_request("topic must be given"));
  if (auto refused = refusal(command.user_properties)) return failure(std::move(*refused));
  const std::size_t output_before = effects.output.size();
  const auto id = requests_.add(SubscriptionRequests::Kind::unsubscribe, command.token, command.filters.size());
  if (!id) return failure(unavailable("too many requests are waiting for the MQTT broker"));
  encode_unsubscribe(*id, command.filters, command.user_properties, broker_.version, effects.output);
  if (auto refused = broker_.refusal_of_size(effects.output.size() - output_before)) {
    effects.output.resize(output_before);
    requests_.withdraw(*id);
    return failure(std::move(*refused));
  }
  note_sent(output_before, now, effects);
  return {};
}

void Session::ping(Token token, Instant now, Effects& effects) {
  if (phase_ != Phase::connected) return;
  encode_pingreq(effects.output);
  pings_.emplace_back(token);
  keepalive_.on_sent(now);
}

void Session::acknowledge(AcknowledgementHandle handle, Instant now, Effects& effects) {
  if (handle == 0) return;
  const std::size_t output_before = effects.output.size();
  inbound_.acknowledge(handle, effects.output);
  note_sent(output_before, now, effects);
}

}  // namespace famemely::mqtt
