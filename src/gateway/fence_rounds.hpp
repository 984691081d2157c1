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
#include "gateway/upstream_filters.hpp"

namespace famemely::gateway {

/// Fences mark a place in the stream of messages from the broker, which neither SUBACK nor PINGRESP does: a fence is a
/// message that the link publishes to a topic of its own, once in each stream. Where it comes back, everything that the
/// broker had taken before it has come. One round is open at a time; who needs one rides on the next to begin.
///
/// Where the broker refuses the topic, or the first fence does not come back, a second topic is tried; if that fails as
/// well there are no fences until one comes back after all.
class FenceRounds {
 public:
  /// The first fence must be back by then.
  static constexpr std::chrono::seconds kFirstFenceTimeout{5};
  /// A fence of QoS 0 that is not back by then is taken for lost, and sent again.
  static constexpr std::chrono::seconds kResendInterval{2};

  struct Publish {
    std::string topic;
    std::string payload;
    std::uint8_t qos;
  };

  FenceRounds(std::string topic, std::string fallback_topic, Logger& logger);

  /// Somebody needs a round that begins after this call.
  void want() { wanted_ = true; }
  /// True if a round can begin now: the caller gathers who rides on it, then calls `begin`, or `skip` if nobody does.
  [[nodiscard]] bool ready() const { return wanted_ && connected_ && !open_ && subscribed_ == Subscribed::held; }
  void begin(Instant now);
  void skip() { wanted_ = false; }

  [[nodiscard]] bool is_fence(std::string_view topic) const { return topic == topics_[0] || topic == topics_[1]; }
  /// The stream whose fence this is, if it is the first one of the open round there.
  [[nodiscard]] std::optional<Stream> on_message(std::string_view payload, std::uint8_t qos);
  /// True once after the round's fences are back from both streams.
  [[nodiscard]] bool take_finished();
  /// True once if the open round has been given up: who rode on it needs another.
  [[nodiscard]] bool take_abandoned();
  /// False: who waits for a round waits in vain.
  [[nodiscard]] bool available() const { return available_; }

  void on_connected(bool session_present, Instant now);
  void on_disconnected() { connected_ = false; }
  /// The broker's answer to the SUBSCRIBE, or to a fence of QoS 1.
  void on_subscribed(bool granted, Instant now);
  void on_published(bool taken, Instant now);
  /// The SUBSCRIBE went without an answer.
  void on_subscribe_lost();
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const { return connected_ ? deadline_ : kNever; }

  /// The topic to subscribe to at QoS 1, if it is time to.
  [[nodiscard]] std::optional<std::string> take_subscribe();
  /// What to publish. The caller empties it.
  [[nodiscard]] std::vector<Publish>& publishes() { return publishes_; }

 private:
  enum class Subscribed : std::uint8_t { no, asked, held };

  [[nodiscard]] const std::string& topic() const { return topics_[choice_]; }
  [[nodiscard]] bool passed(Stream stream) const { return passed_[static_cast<std::size_t>(stream)]; }
  void send(std::uint8_t qos);
  void try_the_other_topic(std::string_view why, Instant now);

  std::array<std::string, 2> topics_;
  Logger& logger_;
  std::size_t choice_ = 0;
  bool proved_ = false;  // a fence has come back on the topic of choice
  bool available_ = true;
  bool connected_ = false;
  Subscribed subscribed_ = Subscribed::no;
  bool wanted_ = false;
  bool open_ = false;
  bool finished_ = false;
  bool abandoned_ = false;
  std::uint64_t round_ = 0;
  std::array<bool, 2> passed_{};  // by stream
  Instant deadline_ = kNever;
  std::vector<Publish> publishes_;
};

}  // namespace famemely::gateway
