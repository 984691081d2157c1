#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger.hpp"
#include "network.hpp"
#include "trace.hpp"
#include "wire.hpp"

namespace famemely::mqtt::simulator {

/// A broker with one client. It keeps to the specification, as far as its traits let it, and finds a Violation where
/// the client does not.
class Broker {
 public:
  Broker(const Traits& traits, Dice& dice, Ledger& ledger, Trace& trace);

  void open(Link& link);
  void receive(Link& link, std::string_view bytes, Instant now);
  /// The end of the connection has reached the broker.
  void closed(Link& link, Instant now);
  [[nodiscard]] Instant deadline() const;
  void on_timer(Instant now);

  /// All connections end. With the session or without it, and perhaps as another version.
  void restart(bool keeps_session, Instant now);
  /// Ends the client's connection, with a DISCONNECT where there is one.
  void end_connection(std::uint8_t code, Instant now);
  /// Another client publishes.
  void publish_of_others(Instant now);
  /// From now on there are no refusals, and every answer is a good one.
  void calm_down() { calm_ = true; }

  /// Nothing is queued or unacknowledged, and no answer is due.
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] bool has_subscription(const std::string& filter) const;

 private:
  struct Subscription {
    std::uint8_t qos = 0;
    std::uint32_t identifier = 0;  // 0: none
  };
  struct Flight {
    std::size_t number;  // in the ledger
    std::uint16_t packet_id;
    bool released = false;  // PUBREC has come
    bool on_link = false;   // sent on this connection
    bool counted = false;   // against the client's Receive Maximum
  };
  struct Session {
    std::map<std::string, Subscription> subscriptions;
    std::deque<std::size_t> queue;
    std::deque<Flight> in_flight;
    std::map<std::uint16_t, std::size_t> held;  // QoS 2, from PUBLISH to PUBREL
    std::size_t last_id = 0;
    std::uint32_t expiry_s = 0;
    Instant expires = kNever;  // while there is no connection
  };
  /// What holds for the connection.
  struct Client {
    Link* link = nullptr;
    ProtocolVersion version = ProtocolVersion::v5;
    bool connected = false;
    std::string stream{};
    // The client's limits.
    std::size_t receive_maximum = 65'535;
    std::size_t maximum_packet_size = SIZE_MAX;
    std::size_t alias_maximum = 0;
    std::uint16_t keepalive_s = 0;
    std::size_t unacknowledged = 0;
    std::map<std::string, std::uint16_t> aliases{};
    // Ours.
    WirePacket limits{};
    std::map<std::uint16_t, std::string> client_aliases{};
    std::map<std::uint16_t, bool> received{};  // publishes of QoS 1 and 2 not answered to the end
    Instant heard{};
    Instant last_answer{};
  };
  struct Answer {
    std::size_t link;
    WirePacket packet;
  };

  /// How long a client may be silent.
  [[nodiscard]] static Duration patience(const Client& client);
  [[nodiscard]] Client* client_of(std::size_t link);
  void handle(Client& client, WirePacket packet, Instant now);
  void handle_connect(Client& client, const WirePacket& connect, Instant now);
  void refuse_version(Client& client, Instant now);
  void draw_limits(Client& client, const WirePacket& connect);
  void take_session(Client& client, const WirePacket& connect, Instant now);
  void handle_publish(Client& client, WirePacket packet, Instant now);
  void check_publish(Client& client, WirePacket& packet);
  void receive_first(std::size_t number);
  void handle_ack(Client& client, const WirePacket& ack, Instant now);
  void handle_pubrel(Client& client, const WirePacket& pubrel, Instant now);
  void handle_request(Client& client, const WirePacket& packet, Instant now);
  void answer(Client& client, WirePacket packet, Instant now);
  void write_answer(Client& client, const WirePacket& packet, Instant now);
  void send(Client& client, const WirePacket& packet, Instant now);
  void resume(Instant now);
  void pump(Instant now);
  [[nodiscard]] bool send_message(std::size_t number, std::uint16_t packet_id, bool dup, Instant now);
  [[nodiscard]] std::optional<std::uint16_t> free_id();
  void queue_copy(const std::string& topic, std::uint8_t qos, std::vector<std::uint32_t> identifiers, bool foreign,
                  Instant now);
  void close(Client& client, Instant now);
  /// The connection is no more, for the broker.
  void forget(Client& client, Instant now);
  void lose_session();

  const Traits& traits_;
  Dice& dice_;
  Ledger& ledger_;
  Trace& trace_;
  std::optional<Session> session_;
  std::optional<Session> snapshot_;
  std::list<Client> clients_;  // one, or two while a new connection has not said CONNECT
  Client* owner_ = nullptr;    // of the session
  std::multimap<Instant, Answer> answers_;
  bool speaks_5_;
  bool speaks_3_1_1_;
  bool calm_ = false;
  std::size_t first_receptions_ = 0;  // one past the last message that came for the first time
};

}  // namespace famemely::mqtt::simulator
