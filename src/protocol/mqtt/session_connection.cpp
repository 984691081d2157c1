/// The part of the session in which its connections begin and end.

#include <algorithm>
#include <utility>

#include "protocol/mqtt/encoder.hpp"
#include "protocol/mqtt/session.hpp"

namespace famemely::mqtt {
namespace {

/// Of a DISCONNECT with a reason, without the reason.
constexpr std::size_t kDisconnectBytes = 10;

/// Ends of a connection that have their reason in the broker or its operator, not in what we sent.
bool blames_us(ReasonCode code) {
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

std::string with_reason(std::string text, const std::optional<std::string_view>& reason) {
  if (reason && !reason->empty()) text.append(" (").append(*reason).append(")");
  return text;
}

}  // namespace

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
  publishers_fault_told_ = false;
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
  requests_.on_closed(blame, effects);
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
  effects.events.emplace_back(Disconnected{.reason = "connection closed", .code = std::nullopt, .blames_us = true});
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
                   .blames_us = blames_us(disconnect.code),
                   .server_reference = std::string(disconnect.server_reference.value_or(std::string_view()))});
  close(blames_us(disconnect.code), effects);
}

void Session::disconnect(ReasonCode code, Instant, Effects& effects) {
  if (phase_ == Phase::closed) return;
  encode_disconnect(code, {}, broker_.version, effects.output);
  effects.events.emplace_back(Disconnected{.reason = "disconnected by us", .code = code, .by_caller = true});
  close(false, effects);
}

}  // namespace famemely::mqtt
