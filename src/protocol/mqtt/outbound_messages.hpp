#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/mqtt/broker_side.hpp"
#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/packet_ids.hpp"
#include "protocol/mqtt/session_effects.hpp"
#include "protocol/mqtt/session_options.hpp"

namespace famemely::mqtt {

/// Notes of PublishCompleted.
inline constexpr std::string_view kGivenUp = "given up: the connection to the broker dropped with it three times";
inline constexpr std::string_view kNotTakenAnyMore = "the broker does not take this message any more";
inline constexpr std::string_view kSessionLost = "the broker lost the session after it had received the message";
inline constexpr std::string_view kPubackForQos2 = "the broker answered QoS 2 with PUBACK";
inline constexpr std::string_view kPubcompUnknown = "the broker did not know the packet identifier any more";

/// A QoS 1 or 2 message on its way to the broker.
struct OutboundMessage {
  Token token = 0;
  std::string topic;
  std::string payload;
  std::unique_ptr<const PublishProperties> properties;  // null: none
  std::uint8_t qos = 1;
  bool retain = false;

  [[nodiscard]] std::size_t bytes() const { return topic.size() + payload.size(); }
};

/// The sender's side of QoS 1 and 2 (MQTT 5 section 4.3), over connections. Messages wait in a queue until the broker's
/// Receive Maximum lets them out; then each has a packet identifier until it is completed. Everything about one packet
/// takes constant time, however many are in flight.
///
/// What was in flight when a connection went is sent again on the next (section 4.4): first the PUBRELs in the order of
/// their PUBRECs, then the PUBLISHes in theirs (section 4.6). A message that was in flight at two drops in a row is a
/// suspect: then all are sent one at a time, and the suspect with which the connection drops once more is given up.
class OutboundMessages {
 public:
  OutboundMessages(const SessionOptions& options, PacketIds& packet_ids);

  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::size_t queued() const { return waiting_.size(); }

  /// False if the message would have to wait and the queue has no room for it.
  [[nodiscard]] bool has_room_for(std::size_t bytes) const;
  /// The broker must take messages like this one (BrokerSide::refusal).
  void send(OutboundMessage message, BrokerSide& broker, Effects& effects);

  void on_connected(bool session_present, BrokerSide& broker, Effects& effects);
  /// `blame`: the end of the connection may be the fault of what was in flight.
  void on_closed(bool blame, Effects& effects);
  /// PUBACK, PUBREC and PUBCOMP.
  [[nodiscard]] std::optional<DecodeFault> on_ack(const PublishAck& ack, BrokerSide& broker, Effects& effects);

 private:
  enum class State : std::uint8_t {
    free,
    wait_puback,
    wait_pubrec,
    wait_pubcomp,
    retired,  // given up, but the broker may hold the identifier: not used again within this session
  };
  struct Slot {
    OutboundMessage message;
    std::uint16_t previous = 0;  // in its Order; 0: none, as no packet has that identifier
    std::uint16_t next = 0;
    State state = State::free;
    std::uint8_t drops = 0;        // connections in a row that went while it was in flight
    bool on_wire = false;          // sent on this connection
    bool holds_quota = false;      // counts against the broker's Receive Maximum
    bool sent_in_session = false;  // the broker may know it
  };
  /// A chain through the slots.
  struct Order {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::uint16_t resend_at = 0;  // the first that this connection has still to send again
  };

  [[nodiscard]] Slot& slot(std::uint16_t id) { return slots_[id]; }
  /// One more PUBLISH may go on the wire.
  [[nodiscard]] bool window_open() const;
  [[nodiscard]] bool may_take_from_queue() const;
  void pump(BrokerSide& broker, Effects& effects);
  void take_from_queue(BrokerSide& broker, Effects& effects);
  /// False if nothing is left to send again.
  bool resend_next(BrokerSide& broker, Effects& effects);
  void resend(std::uint16_t id, BrokerSide& broker, Effects& effects);
  void put_on_wire(std::uint16_t id, BrokerSide& broker, Effects& effects);
  [[nodiscard]] Order& order_of(const Slot& slot);
  void append(Order& order, std::uint16_t id);
  void remove(Order& order, std::uint16_t id);
  void release_quota(Slot& slot);
  /// Ends the message, and takes it out of the order; the identifier is free again unless `retire`.
  void finish(std::uint16_t id, bool taken, ReasonCode code, std::string_view note, bool retire, Effects& effects);
  void release_retired();
  std::optional<DecodeFault> on_puback(const PublishAck& ack, Effects& effects);
  std::optional<DecodeFault> on_pubrec(const PublishAck& ack, const BrokerSide& broker, Effects& effects);
  std::optional<DecodeFault> on_pubcomp(const PublishAck& ack, Effects& effects);

  const SessionOptions& options_;
  PacketIds& packet_ids_;
  std::deque<OutboundMessage> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::vector<Slot> slots_;  // by packet identifier
  std::vector<std::uint16_t> retired_;
  Order publishes_;  // as they were sent
  Order releases_;   // QoS 2 from PUBREC to PUBCOMP, as their PUBRECs came
  std::size_t in_flight_ = 0;
  std::size_t in_flight_bytes_ = 0;
  std::size_t on_wire_ = 0;
  std::size_t suspects_ = 0;
  std::size_t quota_used_ = 0;
  std::size_t quota_ = 0;  // 0 while there is no connection
};

}  // namespace famemely::mqtt
