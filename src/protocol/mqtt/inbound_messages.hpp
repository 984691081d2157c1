#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/mqtt/decoder.hpp"
#include "protocol/mqtt/session_effects.hpp"

namespace famemely::mqtt {

/// The receiver's side of QoS 1 and 2 (MQTT 5 section 4.3). The caller says when a message is in safe hands; PUBACK and
/// PUBREC leave in the order of arrival (section 4.6). A QoS 2 message is told apart by its packet identifier from its
/// PUBLISH to its PUBREL, also over connections, so it is never handed on twice.
///
/// Brokers that are restarted may go back a step. One may use an identifier anew whose message it has forgotten: with
/// other contents it is another message. Or mosquitto 2.0.11 sends messages again, with DUP, whose PUBREL it had sent:
/// such a one is known by its packet identifier and its contents, as long as the broker takes identifiers in turn
/// (where it uses the lowest that is free, the same could be another message), and until it has used half of them since
/// (once they have come round, the same could be another message too).
///
/// What remains: a broker that begins anew with identifier 1, and whose first sending of a message is lost with the
/// connection, where the last message of that identifier had the same topic and payload. That one is lost.
class InboundMessages {
 public:
  enum class BrokerSession : std::uint8_t {
    lost,
    /// It is there, but may be one that the broker made for a CONNECT whose answer we never saw, after it had lost
    /// ours.
    doubtful,
    resumed,
  };
  void on_connected(BrokerSession session, ProtocolVersion version, std::uint16_t receive_maximum);
  void on_closed();

  struct Received {
    bool deliver = false;                 // else it is one that was handed on before
    bool beyond_receive_maximum = false;  // for the first time on this connection
    AcknowledgementHandle handle = 0;
  };
  /// A PUBLISH of QoS 1 or 2. What can be acknowledged at once is appended to the output.
  ///
  /// The specification lets us end the connection when the broker goes beyond the Receive Maximum (section 3.3.4), but
  /// mosquitto 2.0.11 does so under load, and would do so again after each resume. So it is told, and a fault only
  /// beyond what packet identifiers allow.
  /// `fingerprint`: of topic and payload; of use with QoS 2.
  [[nodiscard]] std::variant<Received, DecodeFault> receive(std::uint8_t qos, std::uint16_t packet_id, bool dup,
                                                            std::size_t fingerprint, std::string& output);
  void on_pubrel(std::uint16_t packet_id, std::string& output);
  /// Of a handle that is not known any more nothing comes.
  void acknowledge(AcknowledgementHandle handle, std::string& output);

  /// On this connection.
  [[nodiscard]] std::size_t unacknowledged() const { return arrivals_.size() - done_; }

 private:
  static constexpr std::uint64_t kNowhere = UINT64_MAX;

  /// A PUBLISH of this connection whose acknowledgement has not left.
  struct Arrival {
    std::uint16_t packet_id;
    std::uint8_t qos;  // 0: nothing is to be sent any more
    bool acknowledged;
  };
  enum class Phase : std::uint8_t { none, wait_caller, wait_pubrel };
  struct Exchange {  // of QoS 2, over connections
    AcknowledgementHandle handle = 0;
    std::uint64_t arrival = kNowhere;  // its number, if it has one on this connection
    Phase phase = Phase::none;
    bool acknowledged = false;  // by the caller
    bool doubtful = false;      // begun before a session that may not be the broker's any more
    bool holds_quota = false;
    std::size_t fingerprint = 0;  // of the message
    // The one before, which a broker that goes back a step may send again.
    std::size_t ended_fingerprint = 0;
    std::uint32_t ended_on_connection = 0;  // 0: there is none
    std::uint64_t ended_at = 0;             // what ids_used_ was when its identifier was given
  };

  std::uint64_t add_arrival(std::uint8_t qos, std::uint16_t packet_id, bool acknowledged);
  [[nodiscard]] Arrival* find_arrival(std::uint64_t number);
  Exchange& exchange(std::uint16_t packet_id);
  /// What is known of the message before stays.
  static void forget_current(Exchange& exchange);
  Received receive_qos_2(std::uint16_t packet_id, bool dup, std::size_t fingerprint);
  void note_id(std::uint16_t packet_id, bool dup);
  [[nodiscard]] bool has_ended_before(const Exchange& exchange, bool dup, std::size_t fingerprint) const;
  void flush(std::string& output);
  void release_quota(Exchange& exchange);

  ProtocolVersion version_ = ProtocolVersion::v5;
  std::size_t receive_maximum_ = 0;
  std::size_t quota_used_ = 0;
  bool beyond_told_ = false;
  std::uint32_t connection_ = 0;
  std::uint16_t last_new_id_ = 0;  // on this connection
  std::uint16_t last_id_ = 0;      // that the broker has come to, over connections
  std::uint64_t ids_used_ = 0;     // by the broker, on the way to it
  bool takes_ids_in_turn_ = true;
  std::vector<Arrival> arrivals_;  // in order; the first `done_` are acknowledged
  std::size_t done_ = 0;
  std::uint64_t first_number_ = 1;   // of arrivals_[0]; numbers are not used again
  std::vector<Exchange> exchanges_;  // by packet identifier
};

}  // namespace famemely::mqtt
