#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "base/random_source.hpp"
#include "gateway/broker_channel.hpp"
#include "gateway/reconnect_policy.hpp"
#include "gateway/upstream_filters.hpp"
#include "protocol/mqtt/session.hpp"

namespace famemely::gateway {

class Bridge;

/// One connection of the bridge with the broker: its session, when it is to be opened again, and what is to be asked on
/// it. What the session says is the bridge's to handle, at once: it is of the bytes that have just come.
class Lane final : public BrokerChannel {
 public:
  struct Reconnect {
    std::chrono::milliseconds min;
    std::chrono::milliseconds max;
  };
  using Request = std::variant<UpstreamFilters::Subscribe, UpstreamFilters::Unsubscribe>;

  /// The first lane has the client id, the others `<client id>-2` and so on.
  Lane(Bridge& bridge, LaneIndex index, mqtt::SessionOptions session, const Reconnect& reconnect);

  [[nodiscard]] LaneIndex index() const { return index_; }
  [[nodiscard]] mqtt::Session& session() { return session_; }
  [[nodiscard]] const mqtt::Session& session() const { return session_; }
  /// For calls of the session.
  [[nodiscard]] mqtt::Effects& effects() { return effects_; }

  void on_transport_open(Now now) override;
  void on_bytes(std::string_view bytes, Now now) override;
  void on_transport_closed(const std::string& why, Now now) override;
  void on_written(std::size_t bytes, Now now) override;
  void on_timer(Now now);
  [[nodiscard]] Instant next_deadline() const;

  void open(Duration delay, Now now);
  /// The connection or the attempt is over: what is left of it is to be closed, and opened again after this time.
  Duration on_over(bool retry_at_once, RandomSource& random, Now now);
  void on_accepted(Now now);
  void note_redirect(std::optional<mqtt::ReasonCode> code, const std::string& server, Logger& logger) {
    redirects_.note(code, server, logger);
  }
  using BrokerChannel::with_cause;
  /// Says DISCONNECT; not opened again until `open`.
  void stop(Now now);
  [[nodiscard]] bool stopped() const { return stopped_; }

  /// Moves the session's output into the channel's.
  void take_output();
  /// True if the session has something that is not taken yet.
  [[nodiscard]] bool has_effects() const { return !effects_.events.empty() || !effects_.output.empty(); }

  /// All bytes ever put out, and those of them that are on their way.
  [[nodiscard]] std::uint64_t put_out() const { return put_out_ + effects_.output.size(); }
  [[nodiscard]] std::uint64_t written() const { return written_; }

  /// What is to be asked of the broker, in this order.
  std::deque<Request> requests{};
  /// SUBSCRIBE and UNSUBSCRIBE packets without an answer.
  std::size_t requests_in_flight = 0;
  /// One of them is for a filter with which the connection dropped twice: it is alone.
  bool asks_suspect = false;
  /// Connections in a row that ended soon, and without a word from the broker.
  std::size_t short_lives = 0;
  Instant up_since{};
  bool up = false;
  /// It has been up, or has failed to come up: so it counts for whether we are connected.
  bool counts = false;
  /// Its session is new, and holds filters from the end of the open round of fences on.
  bool joins_later = false;

 private:
  Bridge& bridge_;
  LaneIndex index_;
  mqtt::Session session_;
  mqtt::Effects effects_;
  ReconnectPolicy reconnect_;
  Instant open_at_ = kNever;
  bool attempting_ = false;  // a transport is wished for, opening, or open
  bool stopped_ = true;
  std::uint64_t put_out_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace famemely::gateway
