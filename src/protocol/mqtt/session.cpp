#include "protocol/mqtt/session.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "protocol/mqtt/encoder.hpp"

namespace famemely::mqtt {
namespace {

/// Of a DISCONNECT with a reason, without the reason.
constexpr std::size_t kDisconnectBytes = 10;
constexpr std::string_view kNotConnected = "MQTT client is not connected";

Error unavailable(std::string_view message) { return {ErrorCode::unavailable, std::string(message)}; }
Error bad_request(std::string_view message) { return {ErrorCode::bad_request, std::string(message)}; }

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

/// Ends of a connection that have their reason in the broker or its operator, not in what we sent.
bool blames_messages(ReasonCode code) {
  switch (code) {
    case ReasonCode::server_shutting_down:
    case ReasonCode::server_busy:
    case ReasonCode::session_taken_over:
    case ReasonCode::administrative_action:
    case ReasonCode::use_another_server:
    case ReasonCode::server_moved:
    case ReasonCode::maximum_connect_time:
    case ReasonCode::connection_rate_exceeded:
      return false;
    default:
      return true;
  }
}

std::size_t fingerprint_of(std::string_view topic, std::string_view payload) {
  const std::hash<std::string_view> hash;
  return hash(topic) * 31 + hash(payload);
}

std::string with_reason(std::string text, const std::optional<std::string_view>& reason) {
  if (reason && !reason->empty()) text.append(" (").append(*reason).append(")");
  return text;
}

}  // namespace

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      fallback_(options_.version),
      reader_(options_.packet_bytes_max),
      outbound_(options_, packet_ids_),
      inbound_aliases_(options_.topic_alias_maximum),
      requests_(packet_ids_) {}

// --- how connections begin ---

bool Session::starts_clean() const {
  if (options_.session_expiry_s == 0) return true;
  return clearing_ == Clearing::due && !ever_accepted_;
}

void Session::on_transport_open(Instant now, Effects& effects) {
  if (phase_ != Phase::closed) on_transport_closed(now, effects);
  broker_.version = fallback_.version();
  reader_.reset(broker_.version);
  inbound_aliases_.free_retired();
  phase_ = Phase::connecting;
  wildcard_topic_told_ = false;
  connect_sent_ = now;
  session_doubtful_ = session_doubtful_ || std::exchange(connect_unanswered_, true);
  encode_connect({.version = broker_.version,
                  .client_id = options_.client_id,
                  .clean_start = starts_clean(),
                  .keepalive_s = options_.keepalive_s,
                  .username = options_.username,
                  .password = options_.password,
                  .will = options_.will ? &*options_.will : nullptr,
                  .session_expiry_s = options_.session_expiry_s,
                  .receive_maximum = options_.receive_maximum,
                  .maximum_packet_size = static_cast<std::uint32_t>(options_.packet_bytes_max),
                  .topic_alias_maximum = options_.topic_alias_maximum,
                  .request_response_information = options_.request_response_information,
                  .user_properties = options_.user_properties},
                 effects.output);
}

std::optional<Session::Failure> Session::handle_connack(const ConnAck& connack, Instant now, Effects& effects) {
  if (phase_ == Phase::connected) return Failure{ReasonCode::protocol_error, "second CONNACK"};
  connect_unanswered_ = false;
  if (connack.code != ReasonCode::success) {
    refuse_connack(connack, effects);
    return std::nullopt;
  }
  if (connack.session_present && starts_clean())
    return Failure{ReasonCode::protocol_error, "CONNACK with a session where a clean one was asked for", true};
  fallback_.on_accepted();
  if (!clears_old_session(connack, effects)) accept(connack, now, effects);
  return std::nullopt;
}

void Session::refuse_connack(const ConnAck& connack, Effects& effects) {
  ConnectFailed failed{
      .reason = with_reason("Connection refused: " + std::string(connack.code_name), connack.reason_string),
      .code = connack.code,
      .code_name = connack.code_name,
      .server_reference = std::string(connack.server_reference.value_or(std::string_view()))};
  if (connack.code == ReasonCode::unsupported_protocol_version)
    failed.retry_at_once = failed.fall_back_to_3_1_1 = fallback_.on_version_refused();
  else
    fallback_.on_other_failure();
  fail_connecting(std::move(failed), effects);
}

bool Session::clears_old_session(const ConnAck& connack, Effects& effects) {
  if (ever_accepted_ || !options_.clean_start_first || options_.session_expiry_s == 0) return false;
  const bool is_5 = broker_.version == ProtocolVersion::v5;
  if (clearing_ == Clearing::due && !is_5)
    clearing_ = Clearing::done;
  else if (clearing_ < Clearing::due && connack.session_present)
    clearing_ = is_5 && clearing_ == Clearing::not_needed ? Clearing::asked : Clearing::due;
  else
    return false;
  if (is_5)
    encode_disconnect_and_end_session(effects.output);
  else
    encode_disconnect(ReasonCode::success, {}, broker_.version, effects.output);
  fail_connecting(
      {.reason = "clearing the session that the broker held of before", .code = std::nullopt, .retry_at_once = true},
      effects);
  return true;
}

void Session::accept(const ConnAck& connack, Instant now, Effects& effects) {
  phase_ = Phase::connected;
  ever_accepted_ = true;
  if (connack.assigned_client_id) options_.client_id = *connack.assigned_client_id;
  BrokerCapabilities& capabilities = broker_.capabilities;
  capabilities = {.maximum_qos = connack.maximum_qos,
                  .retain = connack.retain_available,
                  .wildcard_subscriptions = connack.wildcard_subscriptions_available,
                  .subscription_identifiers = connack.subscription_identifiers_available,
                  .receive_maximum = connack.receive_maximum,
                  .maximum_packet_size = connack.maximum_packet_size.value_or(kPacketBytesMax),
                  .topic_alias_maximum = connack.topic_alias_maximum,
                  .keepalive_s = connack.server_keepalive_s.value_or(options_.keepalive_s),
                  .session_expiry_s = connack.session_expiry_s};
  broker_.aliases.start(std::min(connack.topic_alias_maximum, options_.outbound_topic_aliases_max));
  keepalive_.start(connect_sent_, now, std::chrono::seconds(capabilities.keepalive_s));
  const bool is_5 = broker_.version == ProtocolVersion::v5;
  using BrokerSession = InboundMessages::BrokerSession;
  const bool doubtful = std::exchange(session_doubtful_, false);
  // A broker of version 3.1.1 has not been told a Receive Maximum.
  inbound_.on_connected(!connack.session_present ? BrokerSession::lost
                        : doubtful               ? BrokerSession::doubtful
                                                 : BrokerSession::resumed,
                        broker_.version, is_5 ? options_.receive_maximum : PacketIds::kMax);
  effects.events.emplace_back(Connected{connack.session_present, broker_.version, options_.client_id, capabilities,
                                        std::string(connack.response_information.value_or(std::string_view()))});
  outbound_.on_connected(connack.session_present, broker_, effects);
}

// --- how they end ---

void Session::close(bool blame, Effects& effects) {
  phase_ = Phase::closed;
  keepalive_.stop();
  pings_.clear();
  inbound_.on_closed();
  inbound_aliases_.clear();
  outbound_.on_closed(blame, effects);
  requests_.on_closed(effects);
}

void Session::fail_connecting(ConnectFailed event, Effects& effects) {
  effects.events.emplace_back(std::move(event));
  close(false, effects);
}

void Session::fail(Failure failure, Effects& effects) {
  if (phase_ == Phase::connecting) {
    ConnectFailed failed{.reason = std::move(failure.text), .code = std::nullopt};
    if (failure.speaks_our_version)
      fallback_.on_other_failure();
    else
      failed.retry_at_once = failed.fall_back_to_3_1_1 = fallback_.on_no_answer();
    fail_connecting(std::move(failed), effects);
    return;
  }
  // A DISCONNECT of 3.1.1 would mean that all is well, and so withhold the will.
  if (broker_.version == ProtocolVersion::v5) {
    // Section 3.14.2.2.3: the reason may be said if there is room for it.
    const bool room = failure.text.size() + kDisconnectBytes <= broker_.capabilities.maximum_packet_size;
    encode_disconnect(failure.code, room ? failure.text : std::string_view(), broker_.version, effects.output);
  }
  effects.events.emplace_back(Disconnected{.reason = std::move(failure.text), .code = failure.code});
  close(true, effects);
}

void Session::on_transport_closed(Instant, Effects& effects) {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::connecting) {
    fail({ReasonCode::unspecified_error, "connection closed before CONNACK"}, effects);
    return;
  }
  effects.events.emplace_back(Disconnected{.reason = "connection closed", .code = std::nullopt});
  close(true, effects);
}

void Session::handle_disconnect(const Disconnect& disconnect, Effects& effects) {
  const bool taken_over = disconnect.code == ReasonCode::session_taken_over;
  // By a client that may have begun a new one, or by an old CONNECT of ours that came late.
  session_doubtful_ = session_doubtful_ || taken_over;
  std::string reason = "broker disconnected: " + std::string(name_in_disconnect(disconnect.code));
  if (taken_over) reason += ", another client connected with the client id " + options_.client_id;
  effects.events.emplace_back(
      Disconnected{.reason = with_reason(std::move(reason), disconnect.reason_string),
                   .code = disconnect.code,
                   .by_broker = true,
                   .session_taken_over = taken_over,
                   .server_reference = std::string(disconnect.server_reference.value_or(std::string_view()))});
  close(blames_messages(disconnect.code), effects);
}

void Session::disconnect(ReasonCode code, Instant, Effects& effects) {
  if (phase_ == Phase::closed) return;
  encode_disconnect(code, {}, broker_.version, effects.output);
  effects.events.emplace_back(Disconnected{.reason = "disconnected by us", .code = code, .by_caller = true});
  close(false, effects);
}

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
  if (topic.find_first_of("+#") != topic.npos) return pass_over_wildcard_topic(publish, topic, effects);
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

/// Against section 4.7.3, but RabbitMQ makes such a topic of one that holds `*`. To end the connection for it would let
/// any publisher keep the link down, because the broker would send it again.
std::optional<Session::Failure> Session::pass_over_wildcard_topic(const Publish& publish, std::string_view topic,
                                                                  Effects& effects) {
  if (publish.qos > 0) {
    const std::size_t fingerprint = fingerprint_of(topic, publish.payload);
    auto received = receive(publish.qos, publish.packet_id, publish.dup, fingerprint, effects);
    if (!received) return std::move(received.error());
    inbound_.acknowledge(received->handle, effects.output);
  }
  if (!std::exchange(wildcard_topic_told_, true))
    effects.events.emplace_back(
        Warning{"message passed over, because its topic holds a wildcard: " + std::string(topic)});
  return std::nullopt;
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
