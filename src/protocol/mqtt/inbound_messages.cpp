#include "protocol/mqtt/inbound_messages.hpp"

#include <algorithm>
#include <utility>

#include "protocol/mqtt/encoder.hpp"
#include "protocol/mqtt/packet_ids.hpp"

namespace famemely::mqtt {
namespace {

/// A handle is the number of the arrival, the packet identifier, and whether it is QoS 2: so it finds its message
/// without a search, and a stale one is known for what it is.
AcknowledgementHandle make_handle(std::uint64_t number, std::uint16_t packet_id, bool qos_2) {
  return number << 17 | static_cast<std::uint64_t>(packet_id) << 1 | (qos_2 ? 1U : 0U);
}
std::uint64_t number_of(AcknowledgementHandle handle) { return handle >> 17; }
std::uint16_t packet_id_of(AcknowledgementHandle handle) { return static_cast<std::uint16_t>(handle >> 1); }
bool is_qos_2(AcknowledgementHandle handle) { return (handle & 1) != 0; }

/// So many acknowledged arrivals are kept before the rest moves to the front.
constexpr std::size_t kDoneMax = 1024;

/// Beyond it a broker that takes identifiers in turn may begin anew.
constexpr std::uint16_t kLastIds = 60'000;

/// After so many identifiers one that ended is forgotten: far from where they come round.
constexpr std::uint64_t kEndedAgeMax = PacketIds::kMax / 2;

/// From one identifier to another, as a broker goes that takes them in turn.
std::uint64_t steps_between(std::uint16_t from, std::uint16_t to) {
  return (std::uint64_t{PacketIds::kMax} + to - from) % PacketIds::kMax;
}

}  // namespace

void InboundMessages::on_connected(BrokerSession session, ProtocolVersion version, std::uint16_t receive_maximum) {
  version_ = version;
  ++connection_;
  last_new_id_ = 0;  // a restarted broker may begin anew
  receive_maximum_ = receive_maximum;
  quota_used_ = 0;
  beyond_told_ = false;
  if (session == BrokerSession::lost) exchanges_.clear();
  if (session == BrokerSession::doubtful)
    for (Exchange& each : exchanges_) each.doubtful = each.phase != Phase::none;
}

void InboundMessages::on_closed() {
  first_number_ += arrivals_.size();
  arrivals_.clear();
  done_ = 0;
  for (Exchange& each : exchanges_) {
    each.arrival = kNowhere;
    each.holds_quota = false;
  }
}

std::uint64_t InboundMessages::add_arrival(std::uint8_t qos, std::uint16_t packet_id, bool acknowledged) {
  arrivals_.push_back({packet_id, qos, acknowledged});
  return first_number_ + arrivals_.size() - 1;
}

InboundMessages::Arrival* InboundMessages::find_arrival(std::uint64_t number) {
  if (number < first_number_ + done_ || number - first_number_ >= arrivals_.size()) return nullptr;
  return &arrivals_[number - first_number_];
}

InboundMessages::Exchange& InboundMessages::exchange(std::uint16_t packet_id) {
  if (exchanges_.size() <= packet_id) exchanges_.resize(std::max<std::size_t>(packet_id + 1U, exchanges_.size() * 2));
  return exchanges_[packet_id];
}

void InboundMessages::forget_current(Exchange& exchange) {
  exchange = {.ended_fingerprint = exchange.ended_fingerprint,
              .ended_on_connection = exchange.ended_on_connection,
              .ended_at = exchange.ended_at};
}

std::variant<InboundMessages::Received, DecodeFault> InboundMessages::receive(std::uint8_t qos, std::uint16_t packet_id,
                                                                              bool dup, std::size_t fingerprint,
                                                                              std::string& output) {
  const bool counted = qos == 2 && exchange(packet_id).holds_quota;
  if (!counted && quota_used_ >= PacketIds::kMax)
    return DecodeFault{ReasonCode::receive_maximum_exceeded, "more messages unacknowledged than packet identifiers"};
  if (!counted) ++quota_used_;
  note_id(packet_id, dup);
  Received received = qos == 2 ? receive_qos_2(packet_id, dup, fingerprint)
                               : Received{true, false, make_handle(add_arrival(1, packet_id, false), packet_id, false)};
  received.beyond_receive_maximum = quota_used_ > receive_maximum_ && !std::exchange(beyond_told_, true);
  flush(output);
  return received;
}

void InboundMessages::note_id(std::uint16_t packet_id, bool dup) {
  // What comes with DUP may be from behind; ahead of us it is one whose first sending was lost.
  const std::uint64_t ahead = steps_between(last_id_, packet_id);
  const bool is_ahead = ahead <= kEndedAgeMax;
  if (is_ahead || !dup) {
    ids_used_ += is_ahead ? ahead : 1;
    last_id_ = packet_id;
  }
  if (dup) return;
  if (packet_id <= last_new_id_ && last_new_id_ < kLastIds) takes_ids_in_turn_ = false;
  last_new_id_ = packet_id;
}

bool InboundMessages::has_ended_before(const Exchange& exchange, bool dup, std::size_t fingerprint) const {
  return dup && takes_ids_in_turn_ && exchange.phase == Phase::none && exchange.ended_on_connection != 0 &&
         exchange.ended_on_connection != connection_ && ids_used_ - exchange.ended_at <= kEndedAgeMax &&
         exchange.ended_fingerprint == fingerprint;
}

InboundMessages::Received InboundMessages::receive_qos_2(std::uint16_t packet_id, bool dup, std::size_t fingerprint) {
  Exchange& known = exchange(packet_id);
  // A broker that still has the session would have set DUP (section 3.3.1.1): it is another one's first message.
  if (known.doubtful && !dup) forget_current(known);
  const bool other = known.phase != Phase::none && known.fingerprint != fingerprint && !find_arrival(known.arrival);
  if (other) forget_current(known);
  known.doubtful = false;
  known.holds_quota = true;
  if (has_ended_before(known, dup, fingerprint)) {
    known.fingerprint = fingerprint;
    known.arrival = add_arrival(2, packet_id, true);
    known.handle = make_handle(known.arrival, packet_id, true);
    known.phase = Phase::wait_caller;
    known.acknowledged = true;
    return {false, false, known.handle};
  }
  if (known.phase == Phase::none) {
    known.fingerprint = fingerprint;
    known.arrival = add_arrival(2, packet_id, false);
    known.handle = make_handle(known.arrival, packet_id, true);
    known.phase = Phase::wait_caller;
    known.acknowledged = false;
    return {true, false, known.handle};
  }
  // Sent again. Its PUBREC is due where it stands now, unless it has a place on this connection already.
  if (!find_arrival(known.arrival)) known.arrival = add_arrival(2, packet_id, known.acknowledged);
  return {false, false, known.handle};
}

void InboundMessages::on_pubrel(std::uint16_t packet_id, std::string& output) {
  Exchange& known = exchange(packet_id);
  const ReasonCode code =
      known.phase == Phase::wait_pubrel ? ReasonCode::success : ReasonCode::packet_identifier_not_found;
  // A PUBREL before our PUBREC: the broker has let go of the message, so no PUBREC is due any more.
  if (Arrival* arrival = find_arrival(known.arrival)) {
    arrival->qos = 0;
    arrival->acknowledged = true;
  }
  release_quota(known);
  if (known.phase == Phase::none)
    forget_current(known);
  else
    known = Exchange{.ended_fingerprint = known.fingerprint,
                     .ended_on_connection = connection_,
                     .ended_at = ids_used_ - steps_between(packet_id, last_id_)};
  encode_publish_ack(PacketType::pubcomp, packet_id, code, version_, output);
  flush(output);
}

void InboundMessages::acknowledge(AcknowledgementHandle handle, std::string& output) {
  std::uint64_t number = number_of(handle);
  if (is_qos_2(handle)) {
    if (packet_id_of(handle) >= exchanges_.size()) return;
    Exchange& known = exchanges_[packet_id_of(handle)];
    if (known.handle != handle || known.phase != Phase::wait_caller) return;
    known.acknowledged = true;
    number = known.arrival;
  }
  Arrival* arrival = find_arrival(number);
  if (!arrival || arrival->packet_id != packet_id_of(handle)) return;
  arrival->acknowledged = true;
  flush(output);
}

void InboundMessages::release_quota(Exchange& exchange) {
  if (std::exchange(exchange.holds_quota, false)) --quota_used_;
}

void InboundMessages::flush(std::string& output) {
  for (; done_ < arrivals_.size() && arrivals_[done_].acknowledged; ++done_) {
    const auto [packet_id, qos, acknowledged] = arrivals_[done_];
    if (qos == 1) {
      encode_publish_ack(PacketType::puback, packet_id, ReasonCode::success, version_, output);
      --quota_used_;
    } else if (qos == 2) {
      encode_publish_ack(PacketType::pubrec, packet_id, ReasonCode::success, version_, output);
      exchanges_[packet_id].phase = Phase::wait_pubrel;
      exchanges_[packet_id].arrival = kNowhere;
    }
  }
  if (done_ == arrivals_.size() || (done_ >= kDoneMax && done_ * 2 >= arrivals_.size())) {
    arrivals_.erase(arrivals_.begin(), arrivals_.begin() + static_cast<std::ptrdiff_t>(done_));
    first_number_ += done_;
    done_ = 0;
  }
}

}  // namespace famemely::mqtt
