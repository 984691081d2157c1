#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ledger.hpp"
#include "protocol/mqtt/session.hpp"
#include "trace.hpp"
#include "traits.hpp"
#include "wire.hpp"

namespace famemely::mqtt::simulator {

/// Stands between the session and the wire, and holds each packet that the session writes against what it has been
/// given: by the broker, and by the caller.
class WireWatch {
 public:
  WireWatch(const Traits& traits, Ledger& ledger, Trace& trace) : traits_(traits), ledger_(ledger), trace_(trace) {}

  void on_open(std::size_t link);
  /// Bytes that the session is about to get.
  void on_delivered(std::string_view bytes);
  void on_event(const SessionEvent& event);
  void on_acknowledged(AcknowledgementHandle handle);
  /// Bytes that the session has written.
  void on_output(std::string_view bytes);
  /// The connection is gone, for the session. `blamed`: what was in flight may be the reason.
  void on_closed(bool blamed);

  /// Every packet that was given to the session has been told of, and every acknowledgement that is due has left.
  void check_settled() const;
  /// Packet identifiers that may be in use though nothing is in flight: of QoS 2 messages that were given up.
  [[nodiscard]] std::size_t retired() const;
  [[nodiscard]] const WirePacket& connect() const { return connect_; }

 private:
  /// A packet identifier that the session uses.
  struct Used {
    enum class Kind : std::uint8_t { publish, request } kind;
    std::size_t number = 0;     // in the ledger
    std::size_t sent_on = 0;    // link
    std::size_t pubrel_on = 0;  // link
    std::size_t released = 0;   // counts PUBRECs; 0: none has come
    bool given_up = false;
  };
  struct Arrival {
    std::uint16_t packet_id;
    std::uint8_t qos;
    AcknowledgementHandle handle;
    bool acknowledged;
    bool over = false;  // PUBREL has come
  };
  struct Exchange {  // of QoS 2, towards us
    AcknowledgementHandle handle = 0;
    std::string contents{};
    bool acknowledged = false;
    bool answered = false;
    bool doubtful = false;         // the session has a reason to suspect what follows
    bool of_lost_session = false;  // which the session cannot know
  };

  /// Of QoS 2, whose PUBREL has come: a broker that goes back a step sends it again.
  struct Ended {
    std::string contents;
    std::size_t connection = 0;
  };
  static constexpr std::uint16_t kLastIds = 60'000;  // beyond it a broker that takes identifiers in turn begins anew

  void given_connack(const WirePacket& connack);
  void given(const WirePacket& packet);
  void given_publish(const WirePacket& packet);
  [[nodiscard]] std::string contents_of(const WirePacket& publish) const;
  void told(const MessageReceived& message);
  void told(const MessageTooLarge& message);
  void told(const PublishCompleted& completed);
  void wrote(const WirePacket& packet);
  void wrote_publish(const WirePacket& packet);
  void wrote_pubrel(const WirePacket& packet);
  void wrote_ack(const WirePacket& packet);
  void wrote_connect(const WirePacket& packet);
  [[nodiscard]] std::size_t next_arrival() const;

  const Traits& traits_;
  Ledger& ledger_;
  Trace& trace_;
  // The connection.
  std::size_t link_ = 0;
  WirePacket connect_{};
  bool connack_came_ = false;
  bool refused_ = false;
  bool accepted_ = false;
  bool ended_ = false;  // DISCONNECT has been written or read
  std::string given_;
  std::size_t skip_left_ = 0;    // of a packet that is over our limit
  std::size_t last_number_ = 0;  // one past the last QoS 1 or 2 message that was written
  std::size_t last_number_0_ = 0;
  std::size_t last_release_ = 0;  // of the PUBRELs written
  std::deque<WirePacket> untold_;
  std::vector<Arrival> arrivals_;
  mutable std::size_t answered_ = 0;
  std::deque<WirePacket> pubcomps_due_;
  std::map<std::uint16_t, std::string> aliases_;
  // The session.
  std::size_t epoch_ = 1;
  std::size_t releases_ = 0;
  bool doubtful_ = false;         // a CONNECT since the last accepted one was never answered, or it was taken over
  std::size_t known_losses_ = 0;  // of the broker's session, that a CONNACK has told of
  std::map<std::uint16_t, Used> used_;
  std::map<std::uint16_t, Exchange> exchanges_;
  std::map<std::uint16_t, Ended> ended_exchanges_;
  std::size_t connection_ = 0;
  std::uint16_t last_new_id_ = 0;
  bool ids_in_turn_ = true;
  // Over all.
  bool ever_accepted_ = false;
  bool ever_accepted_5_ = false;
  bool refused_5_ = false;
};

}  // namespace famemely::mqtt::simulator
