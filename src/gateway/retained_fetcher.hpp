#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/instant.hpp"
#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "gateway/broker_channel.hpp"
#include "gateway/message_event.hpp"
#include "gateway/ports.hpp"
#include "gateway/reconnect_policy.hpp"
#include "protocol/mqtt/session.hpp"

namespace famemely::gateway {

/// Fetches retained messages by a session of its own, apart from the stream of live messages: a clean one, opened on
/// need, at QoS 0. The broker sends them as the answer to SUBSCRIBE, and the PINGRESP that follows ends them.
///
/// One fetch runs at a time. What is asked for meanwhile shares the next one: with subscription identifiers any number
/// of filters, without them one filter, or any number of plain topics.
class RetainedFetcher final : public BrokerChannel {
 public:
  /// A fetch that has not ended by then is incomplete.
  static constexpr std::chrono::seconds kFetchTimeout{30};
  /// With a broker whose PINGRESP overtakes what was asked before it, a fetch ends after so long without a message.
  static constexpr std::chrono::milliseconds kQuietTime{200};
  /// The connection is closed after so long without a fetch.
  static constexpr std::chrono::seconds kIdleTimeout{10};
  static constexpr std::size_t kFiltersPerFetchMax = 1'000;
  /// What one fetch may hold; what goes beyond is left out, logged and counted.
  static constexpr std::size_t kFetchBytesMax = 256'000'000;

  /// Who is to get what is found.
  struct Wish {
    WorkerIndex worker;
    RequestId request;
    MessageSequence joined_at;
  };
  /// The retained messages that match one filter, or the topics of a second fetch.
  struct Portion {
    std::vector<mqtt::TopicFilter> filters;
    std::vector<Wish> wishes;
    std::map<std::string, MessageSequence>
        overtaken{};    // the topics of a second fetch: what had made the first one old
    bool more = false;  // another portion for the same wishes follows
    std::vector<RetainedMessage> messages{};
    std::vector<std::size_t> fingerprints{};  // of each message's payload
    MessageSequence started_at = 0;           // the last live message before the fetch began

    [[nodiscard]] bool second_time() const { return !overtaken.empty(); }
  };

  /// Tells payloads apart, at a cost that does not grow with them: two of the same length that differ only in their
  /// middle beyond a kilobyte are taken for equal.
  [[nodiscard]] static std::size_t fingerprint(std::string_view payload);

  /// `subscribe_batch`: filters in one SUBSCRIBE at most.
  /// `offsets`: messages carry offsets, so that clients can recover.
  RetainedFetcher(mqtt::SessionOptions session, std::size_t subscribe_batch, std::size_t payload_bytes_max,
                  bool offsets, MessageEncoder encode_message, RandomSource& random, Logger& logger);

  void want(const mqtt::TopicFilter& filter, Wish wish);
  /// The topics once more, by name.
  void want_again(std::map<std::string, MessageSequence> overtaken, const std::vector<Wish>& wishes);
  /// While the live connection is away nothing is fetched: what it had not delivered could not be told apart.
  void allow(bool allowed) { allowed_ = allowed; }
  /// As `mqtt::Session::adopt_version`.
  void adopt_version(mqtt::ProtocolVersion version) { session_.adopt_version(version); }
  /// Begins the next fetch if one is wanted and the connection allows it; asks for a connection if there is none.
  void act(MessageSequence last_live, Now now);
  /// True from a wish to the end of its fetch.
  [[nodiscard]] bool busy() const { return running_.has_value() || !wanted_.empty(); }
  /// What has been fetched; the caller empties it.
  [[nodiscard]] std::vector<Portion>& fetched() { return fetched_; }
  [[nodiscard]] std::uint64_t incomplete_count() const { return incomplete_; }

  void on_transport_open(Now now) override;
  void on_bytes(std::string_view bytes, Now now) override;
  void on_transport_closed(const std::string& why, Now now) override;
  void on_written(std::size_t, Now) override {}
  void on_timer(Now now);
  [[nodiscard]] Instant next_deadline() const;
  void stop(Now now);

 private:
  struct Running {
    std::vector<Portion> portions;
    std::size_t bytes = 0;
    bool over_limit = false;
    std::size_t subscribes = 0;  // without an answer
    bool ponged = false;
  };

  void absorb(Now now);
  void handle(const mqtt::SessionEvent& event, Now now);
  void on_message(const mqtt::MessageReceived& message, Now now);
  void add(Portion& portion, const mqtt::MessageReceived& message, Now now);
  void on_connection_over(const std::string& said, bool retry_at_once, Now now);
  [[nodiscard]] std::vector<Portion> take_next();
  void begin(Now now, MessageSequence last_live);
  void on_progress(Now now);
  void complete(Now now);
  void finish(std::string_view why_incomplete);
  void unsubscribe(Now now);

  mqtt::Session session_;
  std::size_t subscribe_batch_;
  std::size_t payload_bytes_max_;
  bool offsets_;
  MessageEncoder encode_message_;
  std::uint64_t last_offset_ = 0;
  RandomSource& random_;
  Logger& logger_;
  ReconnectPolicy reconnect_;
  std::deque<Portion> wanted_;
  std::unordered_map<std::string, std::size_t> wanted_places_;  // by filter; counted from the first wish ever
  std::size_t taken_ = 0;                                       // portions that have left the front of `wanted_`
  std::optional<Running> running_;
  std::vector<Portion> fetched_;
  std::vector<mqtt::TopicFilter> to_unsubscribe_;
  mqtt::Effects effects_;
  std::vector<mqtt::SessionEvent> events_;  // scratch of `absorb`
  mqtt::Token last_token_ = 0;
  mqtt::Token ping_ = 0;
  bool out_of_order_ = false;  // the broker answers PINGREQ before SUBSCRIBE
  bool allowed_ = false;
  bool attempting_ = false;
  bool stopped_ = false;
  Instant open_at_ = kNever;
  Instant fetch_deadline_ = kNever;
  Instant quiet_at_ = kNever;
  Instant idle_at_ = kNever;
  std::uint64_t incomplete_ = 0;
};

}  // namespace famemely::gateway
