#include "protocol/mqtt/outbound_messages.hpp"

#include <algorithm>
#include <utility>

namespace famemely::mqtt {
namespace {

constexpr std::uint8_t kDropsOfSuspect = 2;

PublishFields fields_of(const OutboundMessage& message, std::uint16_t packet_id, bool dup) {
  return {.topic = message.topic,
          .payload = message.payload,
          .qos = message.qos,
          .retain = message.retain,
          .dup = dup,
          .packet_id = packet_id,
          .topic_alias = 0,
          .properties = message.properties.get()};
}

void complete(Token token, bool taken, ReasonCode code, std::string_view note, Effects& effects) {
  effects.events.emplace_back(PublishCompleted{token, taken, code, note});
}

void warn(const char* what, std::uint16_t packet_id, Effects& effects) {
  effects.events.emplace_back(Warning{std::string(what) + " " + std::to_string(packet_id)});
}

}  // namespace

OutboundMessages::OutboundMessages(const SessionOptions& options, PacketIds& packet_ids)
    : options_(options), packet_ids_(packet_ids) {}

bool OutboundMessages::window_open() const {
  if (quota_used_ >= quota_) return false;
  return suspects_ == 0 || on_wire_ == 0;
}

bool OutboundMessages::may_take_from_queue() const {
  return suspects_ == 0 && releases_.resend_at == 0 && publishes_.resend_at == 0 && packet_ids_.available() &&
         in_flight_bytes_ < options_.in_flight_bytes_max;
}

bool OutboundMessages::has_room_for(std::size_t bytes) const {
  if (waiting_.empty() && window_open() && may_take_from_queue()) return true;
  return waiting_.size() < options_.queued_publishes_max && waiting_bytes_ + bytes <= options_.queued_bytes_max;
}

void OutboundMessages::send(OutboundMessage message, BrokerSide& broker, Effects& effects) {
  waiting_bytes_ += message.bytes();
  waiting_.push_back(std::move(message));
  pump(broker, effects);
}

void OutboundMessages::pump(BrokerSide& broker, Effects& effects) {
  while (window_open()) {
    if (resend_next(broker, effects)) continue;
    if (!waiting_.empty() && may_take_from_queue()) {
      take_from_queue(broker, effects);
    } else {
      return;
    }
  }
}

bool OutboundMessages::resend_next(BrokerSide& broker, Effects& effects) {
  for (Order* order : {&releases_, &publishes_}) {
    if (order->resend_at == 0) continue;
    const std::uint16_t id = std::exchange(order->resend_at, slot(order->resend_at).next);
    // A PUBREC may have come for what was not sent on this connection: its PUBREL has left then.
    if (!slot(id).on_wire) resend(id, broker, effects);
    return true;
  }
  return false;
}

void OutboundMessages::take_from_queue(BrokerSide& broker, Effects& effects) {
  OutboundMessage message = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= message.bytes();
  // It may have been queued for a broker that took more than this one does.
  if (broker.refusal(fields_of(message, 1, false))) {
    complete(message.token, false, ReasonCode::unspecified_error, kNotTakenAnyMore, effects);
    return;
  }
  const std::uint16_t id = packet_ids_.acquire().value();
  if (slots_.size() <= id) slots_.resize(std::max<std::size_t>(id + 1U, slots_.size() * 2));
  Slot& fresh = slot(id);
  fresh = Slot{};
  fresh.message = std::move(message);
  fresh.state = fresh.message.qos == 2 ? State::wait_pubrec : State::wait_puback;
  in_flight_bytes_ += fresh.message.bytes();
  append(publishes_, id);
  ++in_flight_;
  put_on_wire(id, broker, effects);
}

OutboundMessages::Order& OutboundMessages::order_of(const Slot& slot) {
  return slot.state == State::wait_pubcomp ? releases_ : publishes_;
}

void OutboundMessages::append(Order& order, std::uint16_t id) {
  slot(id).previous = order.last;
  slot(id).next = 0;
  (order.last != 0 ? slot(order.last).next : order.first) = id;
  order.last = id;
}

void OutboundMessages::remove(Order& order, std::uint16_t id) {
  const auto [previous, next] = std::pair(slot(id).previous, slot(id).next);
  if (order.resend_at == id) order.resend_at = next;
  (previous != 0 ? slot(previous).next : order.first) = next;
  (next != 0 ? slot(next).previous : order.last) = previous;
}

void OutboundMessages::put_on_wire(std::uint16_t id, BrokerSide& broker, Effects& effects) {
  Slot& sent = slot(id);
  broker.write(fields_of(sent.message, id, sent.sent_in_session), effects.output);
  sent.on_wire = sent.holds_quota = sent.sent_in_session = true;
  ++on_wire_;
  ++quota_used_;
}

void OutboundMessages::resend(std::uint16_t id, BrokerSide& broker, Effects& effects) {
  Slot& again = slot(id);
  if (again.state == State::wait_pubcomp) {
    // Section 4.9: a PUBREL is not counted against the Receive Maximum.
    encode_publish_ack(PacketType::pubrel, id, ReasonCode::success, broker.version, effects.output);
    again.on_wire = true;
    ++on_wire_;
  } else if (broker.refusal(fields_of(again.message, id, true))) {
    const bool retire = again.message.qos == 2 && again.sent_in_session;
    finish(id, false, ReasonCode::unspecified_error, kNotTakenAnyMore, retire, effects);
  } else {
    put_on_wire(id, broker, effects);
  }
}

void OutboundMessages::on_connected(bool session_present, BrokerSide& broker, Effects& effects) {
  quota_ = std::min<std::size_t>(broker.capabilities.receive_maximum, options_.in_flight_max);
  if (!session_present) {
    release_retired();
    for (std::uint16_t id = publishes_.first; id != 0; id = slot(id).next) slot(id).sent_in_session = false;
    // Their PUBRECs have come, so the broker has had the messages, and second ones might be delivered twice.
    while (releases_.first != 0) finish(releases_.first, true, ReasonCode::success, kSessionLost, false, effects);
  }
  releases_.resend_at = releases_.first;
  publishes_.resend_at = publishes_.first;
  pump(broker, effects);
}

void OutboundMessages::on_closed(bool blame, Effects& effects) {
  quota_ = 0;
  for (Order* order : {&releases_, &publishes_}) {
    order->resend_at = 0;
    for (std::uint16_t id = order->first; id != 0;) {
      Slot& held = slot(id);
      const std::uint16_t next = held.next;
      const bool blamed = held.on_wire && blame;
      release_quota(held);
      if (std::exchange(held.on_wire, false)) --on_wire_;
      if (blamed && held.drops >= kDropsOfSuspect) {
        finish(id, false, ReasonCode::unspecified_error, kGivenUp, held.message.qos == 2, effects);
      } else if (blamed && ++held.drops == kDropsOfSuspect) {
        ++suspects_;
      }
      id = next;
    }
  }
}

void OutboundMessages::release_quota(Slot& slot) {
  if (std::exchange(slot.holds_quota, false)) --quota_used_;
}

void OutboundMessages::finish(std::uint16_t id, bool taken, ReasonCode code, std::string_view note, bool retire,
                              Effects& effects) {
  Slot& done = slot(id);
  complete(done.message.token, taken, code, note, effects);
  remove(order_of(done), id);
  release_quota(done);
  if (done.on_wire) --on_wire_;
  if (done.drops >= kDropsOfSuspect) --suspects_;
  in_flight_bytes_ -= done.message.bytes();
  --in_flight_;
  done = Slot{};
  if (retire) {
    done.state = State::retired;
    retired_.push_back(id);
  } else {
    packet_ids_.release(id);
  }
}

void OutboundMessages::release_retired() {
  for (const std::uint16_t id : retired_) {
    slot(id).state = State::free;
    packet_ids_.release(id);
  }
  retired_.clear();
}

std::optional<DecodeFault> OutboundMessages::on_ack(const PublishAck& ack, BrokerSide& broker, Effects& effects) {
  std::optional<DecodeFault> fault;
  if (ack.type == PacketType::puback) fault = on_puback(ack, effects);
  if (ack.type == PacketType::pubrec) fault = on_pubrec(ack, broker, effects);
  if (ack.type == PacketType::pubcomp) fault = on_pubcomp(ack, effects);
  if (!fault) pump(broker, effects);
  return fault;
}

std::optional<DecodeFault> OutboundMessages::on_puback(const PublishAck& ack, Effects& effects) {
  const std::uint16_t id = ack.packet_id;
  const State state = id < slots_.size() ? slot(id).state : State::free;
  switch (state) {
    case State::wait_puback:
      finish(id, !is_failure(ack.code), ack.code, {}, false, effects);
      return std::nullopt;
    case State::wait_pubrec:
      // Some brokers answer so when they lower the QoS. They have no state for the identifier then.
      finish(id, !is_failure(ack.code), ack.code, kPubackForQos2, false, effects);
      return std::nullopt;
    case State::wait_pubcomp:
      return DecodeFault{ReasonCode::protocol_error, "PUBACK where a PUBCOMP was due"};
    case State::retired:
    case State::free:
      warn("PUBACK for an unknown packet identifier", id, effects);
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<DecodeFault> OutboundMessages::on_pubrec(const PublishAck& ack, const BrokerSide& broker,
                                                       Effects& effects) {
  const std::uint16_t id = ack.packet_id;
  const State state = id < slots_.size() ? slot(id).state : State::free;
  const auto pubrel = [&](ReasonCode code) {
    encode_publish_ack(PacketType::pubrel, id, code, broker.version, effects.output);
  };
  switch (state) {
    case State::wait_pubrec: {
      if (is_failure(ack.code)) {
        finish(id, false, ack.code, {}, false, effects);
        return std::nullopt;
      }
      Slot& taken = slot(id);
      remove(publishes_, id);
      append(releases_, id);
      taken.state = State::wait_pubcomp;
      if (!std::exchange(taken.on_wire, true)) ++on_wire_;
      in_flight_bytes_ -= taken.message.bytes();
      taken.message.topic = {};
      taken.message.payload = {};
      taken.message.properties.reset();
      pubrel(ReasonCode::success);
      return std::nullopt;
    }
    case State::wait_pubcomp:
      pubrel(ReasonCode::success);
      return std::nullopt;
    case State::wait_puback:
      return DecodeFault{ReasonCode::protocol_error, "PUBREC for a message of QoS 1"};
    case State::retired:
    case State::free:
      if (!is_failure(ack.code)) pubrel(ReasonCode::packet_identifier_not_found);
      warn("PUBREC for an unknown packet identifier", id, effects);
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<DecodeFault> OutboundMessages::on_pubcomp(const PublishAck& ack, Effects& effects) {
  const std::uint16_t id = ack.packet_id;
  const State state = id < slots_.size() ? slot(id).state : State::free;
  switch (state) {
    case State::wait_pubcomp:
      // Packet Identifier not found (0x92): the broker had finished before, and only its answer was lost.
      finish(id, true, ack.code, is_failure(ack.code) ? kPubcompUnknown : std::string_view(), false, effects);
      return std::nullopt;
    case State::wait_pubrec:
    case State::wait_puback:
      return DecodeFault{ReasonCode::protocol_error, "PUBCOMP without a PUBREL"};
    case State::retired:
    case State::free:
      warn("PUBCOMP for an unknown packet identifier", id, effects);
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace famemely::mqtt
