#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/logger.hpp"
#include "gateway/fence_topics.hpp"
#include "gateway/upstream_filters.hpp"

namespace famemely::gateway {

/// Fences mark a place in the stream of messages from the broker, which neither SUBACK nor PINGRESP does: a fence is a
/// message that the link publishes to a topic of its own, once in each stream. Where it comes back, everything that the
/// broker had taken before it has come. One round is open at a time; who needs one rides on the next to begin.
///
/// With several lanes a round goes through both streams of each. A lane that loses its session is out of the open
/// round: nothing is on its way to it. It may hold filters again when the round has ended (`open`).
///
/// Where the broker refuses the topic, or the first fence does not come back, a second topic is tried; if that fails as
/// well there are no fences until one comes back after all. A topic over which connections end, one after the other, is
/// left as well: brokers refuse by that.
class FenceRounds {
 public:
  /// The first fence must be back by then.
  static constexpr std::chrono::seconds kFirstFenceTimeout{5};
  /// A fence of QoS 0 that is not back by then is taken for lost, and sent again.
  static constexpr std::chrono::seconds kResendInterval{2};
  /// So many connections in a row that ended while a fence of QoS 1, or the SUBSCRIBE, had no answer, and the topic is
  /// left. (Any connection begins with the SUBSCRIBE: a bad network hits it sooner.)
  static constexpr std::size_t kPublishDropsMax = 3;
  static constexpr std::size_t kSubscribeDropsMax = 5;
  /// After so long a new session tries it once more, and one drop is enough: that can't keep the link down.
  static constexpr std::chrono::hours kTriedAgainAfter{1};

  struct Publish {
    std::string topic;
    std::string payload;
    std::uint8_t qos;
  };

  FenceRounds(FenceTopics topics, Logger& logger);

  /// Somebody needs a round that begins after this call.
  void want() { wanted_ = true; }
  /// True if a round can begin now: the caller gathers who rides on it, then calls `begin`, or `skip` if nobody does.
  [[nodiscard]] bool ready() const;
  void begin(Instant now);
  void skip() { wanted_ = false; }

  /// Also where a broker has put `/` for `.`, as RabbitMQ does.
  [[nodiscard]] bool is_fence(std::string_view topic) const;
  /// A fence, or on a topic that another gateway may fall back on: nothing for clients, whose filters may reach it.
  [[nodiscard]] bool is_reserved(std::string_view topic) const {
    return is_fence(topic) || topic.starts_with(kFallbackFences);
  }
  /// True if this is the first one of the open round in its stream of the lane.
  bool on_message(LaneIndex lane, std::string_view payload, std::uint8_t qos);
  /// True if the fence of the last round has come through, until its end is taken.
  [[nodiscard]] bool passed(LaneIndex lane, Stream stream) const;
  /// True while the place of a fence of QoS 0 is not known, because it went with a connection of this lane: another
  /// lane may have had the same messages already.
  [[nodiscard]] bool mutes_qos_0(LaneIndex lane) const;
  [[nodiscard]] bool open() const { return open_; }
  /// True once after the round's fences are back from all streams.
  [[nodiscard]] bool take_finished();
  /// False: who waits for a round waits in vain.
  [[nodiscard]] bool available() const { return available_; }

  void on_connected(LaneIndex lane, bool session_present, Instant now);
  /// `blames_us`: the broker has named no reason of its own.
  void on_disconnected(LaneIndex lane, bool blames_us, Instant now);
  /// The lane is not used any more.
  void on_stopped(LaneIndex lane);
  /// The broker's answer to the SUBSCRIBE, or its refusal of a fence.
  void on_subscribed(LaneIndex lane, bool granted, Instant now);
  void on_refused(Instant now);
  /// A fence of QoS 1 has been given up on its way to the broker.
  void on_fence_lost(Instant now);
  /// The session has a fence of QoS 1 for this topic, and sends it again on the next connection; or has it no more.
  void on_publish_begun(std::string_view topic) { in_flight_[topic == topics_[1]] += 1; }
  void on_publish_over(std::string_view topic, bool taken);
  /// The SUBSCRIBE went without an answer.
  void on_subscribe_lost(LaneIndex lane);
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const { return is_up() ? deadline_ : kNever; }

  /// The topic to subscribe to at QoS 1, if it is time to.
  [[nodiscard]] std::optional<std::string> take_subscribe(LaneIndex lane);
  /// What to publish. The caller empties it.
  [[nodiscard]] std::vector<Publish>& publishes() { return publishes_; }

 private:
  enum class Subscribed : std::uint8_t { no, asked, held };
  struct Lane {
    bool in_use = false;
    bool connected = false;
    Subscribed subscribed = Subscribed::no;
    std::array<bool, 2> passed{true, true};  // by stream; true too where no round is open
    bool muted = false;
    std::size_t subscribe_drops = 0;  // connections in a row that ended with the SUBSCRIBE unanswered
  };

  [[nodiscard]] const std::string& topic() const { return topics_[choice_]; }
  [[nodiscard]] Lane& lane(LaneIndex index);
  /// The first lane, which publishes.
  [[nodiscard]] bool is_up() const { return !lanes_.empty() && lanes_.front().connected; }
  [[nodiscard]] std::size_t lanes_in_use() const;
  [[nodiscard]] bool all_are_connected() const;
  /// True if every lane that takes part has had the round's fence.
  [[nodiscard]] bool has_passed(Stream stream) const;
  void end_if_passed();
  void on_session_lost(LaneIndex index, Instant now);
  /// The count of what this connection may have ended over, if that is the topic of choice.
  [[nodiscard]] std::size_t* suspected(LaneIndex index);
  void on_resumed(LaneIndex index);
  void send(std::uint8_t qos);
  void try_the_other_topic(std::string_view why, Instant now);

  std::array<std::string, 2> topics_;
  std::array<std::string, 2> rewritten_;
  Logger& logger_;
  std::size_t choice_ = 0;
  std::array<bool, 2> bad_{};               // by topic: connections have ended over it
  std::size_t publish_drops_ = 0;           // connections in a row that ended with a fence unanswered
  bool is_tried_again_ = false;             // the topic of choice, which was left before
  std::array<std::size_t, 2> in_flight_{};  // by topic: fences of QoS 1
  Instant last_drop_{};
  bool proved_ = false;  // a fence has come back on the topic of choice
  bool available_ = true;
  std::vector<Lane> lanes_;
  bool wanted_ = false;
  bool open_ = false;
  bool finished_ = false;
  bool resends_qos_1_ = false;
  std::uint64_t round_ = 0;
  Instant deadline_ = kNever;
  std::vector<Publish> publishes_;
};

}  // namespace famemely::gateway
