#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "gateway/ports.hpp"
#include "protocol/mqtt/filter_trie.hpp"
#include "protocol/mqtt/reason_code.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::gateway {

/// One bit a worker.
using WorkerSet = std::uint64_t;

/// Brokers keep the order of messages within each of these, not between them: QoS 0 overtakes queued QoS 1 and 2.
enum class Stream : std::uint8_t { qos_0, qos_1_and_2 };
[[nodiscard]] constexpr Stream stream_of(std::uint8_t qos) { return qos == 0 ? Stream::qos_0 : Stream::qos_1_and_2; }

/// The filters that the link holds at the broker: one subscription each, however many workers and sockets share it.
///
/// Overlapping filters never make duplicates, by one rule: each filter has a number, its subscription identifier,
/// counted up in the order of SUBSCRIBE. Of the filters that match a topic, the one with the lowest number leads: its
/// copy of a message goes to everybody who holds any of them, all other copies are dropped. A filter that others need
/// as their leader is given up in a round: it goes on leading until a fence has come through each stream
/// (docs/architecture.md).
class UpstreamFilters {
 public:
  /// A subscribe that has no answer by then fails.
  static constexpr std::chrono::seconds kAskTimeout{10};

  struct Subscribe {
    FilterId id;
  };
  struct Unsubscribe {
    mqtt::TopicFilter filter;
  };
  /// What to do, each list in its order. The caller empties them.
  struct Actions {
    std::vector<std::variant<Subscribe, Unsubscribe>> upstream;
    std::vector<std::pair<WorkerIndex, WorkerEvent>> events;  // for kLink too, where the link itself asked
    std::vector<FilterId> gone;                               // ids that nobody will see again
  };
  /// Who is concerned by a topic.
  struct Match {
    MatchList matched;
    WorkerSet workers = 0;
    std::array<std::uint32_t, 2> leaders{};  // their numbers, by stream; 0: none
    /// The last message of the topic that makes older retained ones old, and what tells its payload: noted by the
    /// caller, and kept while fetches are open.
    MessageSequence last_overtaking = 0;
    std::size_t last_fingerprint = 0;

    [[nodiscard]] std::uint32_t leader(Stream stream) const { return leaders[static_cast<std::size_t>(stream)]; }
  };

  /// `deadline`: when it fails if the broker has not answered; kNever waits for as long as it takes.
  void ask(const SubscribeCommand& command, Instant deadline, bool connected);
  void release(const ReleaseCommand& command, bool connected);
  /// Adds a worker to those that hold a filter which is held already. The grant is for the caller to pass on.
  [[nodiscard]] Granted hold(FilterId id, WorkerIndex worker, std::uint8_t qos);
  /// Messages are counted here, because grants tell after which one they come.
  MessageSequence count_message() { return ++last_message_; }
  [[nodiscard]] MessageSequence last_message() const { return last_message_; }

  /// With the session lost, everything is asked of the broker again, under new numbers. `numbered`: the broker tells
  /// subscription identifiers.
  void on_connected(bool session_present, bool numbered);
  void on_disconnected();
  void on_subscribed(FilterId id, mqtt::ReasonCode code, std::string_view reason);
  /// The connection went before the broker answered.
  void on_answer_lost(FilterId id);
  void on_unsubscribe_lost(const mqtt::TopicFilter& filter);
  void expire(Instant now, bool connected);
  [[nodiscard]] Instant next_deadline() const;

  // Giving up filters that others need as their leader, a round of fences at a time.
  [[nodiscard]] bool wants_round() const { return round_.empty() && !to_give_up_.empty(); }
  /// The fence is about to be sent. False if there is nothing (any more) to give up.
  bool begin_round();
  /// The fence has come through this stream: here others lead from now on.
  void on_fence(Stream stream);
  /// It has come through both.
  void end_round();
  /// It will not come; another round is needed.
  void abandon_round();

  /// The match of a topic; cached. Valid until the next call of anything.
  [[nodiscard]] Match& match(std::string_view topic);
  /// The match if there is one in the cache.
  [[nodiscard]] const Match* cached_match(std::string_view topic) const;
  /// Holds on to the cache beyond its bound.
  void keep_cache(bool keep) { keep_cache_ = keep; }

  [[nodiscard]] const mqtt::TopicFilter& filter(FilterId id) const { return filters_.at(id).filter; }
  [[nodiscard]] bool contains(FilterId id) const { return filters_.contains(id); }
  [[nodiscard]] std::optional<FilterId> find(const std::string& text) const;
  [[nodiscard]] std::uint32_t number(FilterId id) const { return filters_.at(id).number; }
  [[nodiscard]] std::uint8_t qos_to_ask(FilterId id) const { return filters_.at(id).qos_asked; }
  [[nodiscard]] Actions& actions() { return actions_; }
  [[nodiscard]] std::size_t size() const { return filters_.size(); }

 private:
  enum class State : std::uint8_t { absent, asked, held };
  struct Waiter {
    WorkerIndex worker;
    RequestId request;
    std::uint8_t qos;
  };
  struct Filter {
    mqtt::TopicFilter filter;
    std::uint32_t number = 0;
    WorkerSet workers = 0;
    State state = State::absent;
    bool sent = false;            // a SUBSCRIBE has left within this session: the broker may hold it
    bool granted_before = false;  // and the broker has granted it
    bool in_round = false;
    std::array<bool, 2> leads{true, true};  // by stream
    std::uint8_t qos_needed = 0;            // by its own holders and waiters
    std::uint8_t qos_asked = 0;             // by the last SUBSCRIBE: also what overlapping filters need
    std::uint8_t qos_granted = 0;
    std::vector<Waiter> waiters;
    std::vector<GrantNumber> last_grants;  // by worker

    [[nodiscard]] bool wanted() const { return workers != 0 || !waiters.empty(); }
    [[nodiscard]] bool can_lead() const { return state != State::absent || granted_before; }
  };
  struct CachedMatch {
    Match match;
    std::uint64_t generation = 0;
  };
  struct Deadline {
    WorkerIndex worker;
    RequestId request;
    FilterId filter;
  };
  struct TopicHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view topic) const noexcept { return std::hash<std::string_view>{}(topic); }
  };

  FilterId add(const mqtt::TopicFilter& filter);
  Granted grant(FilterId id, Filter& filter, WorkerIndex worker, std::uint8_t qos);
  void need(FilterId id, std::uint8_t qos, bool connected);
  void raise(std::vector<FilterId> ids, std::uint8_t qos, bool connected);
  void subscribe(FilterId id, Filter& filter, bool connected);
  void answer_waiters(Filter& filter, FilterId id);
  void refuse_waiters(Filter& filter, const Error& error);
  void drop_if_unwanted(FilterId id, bool connected);
  void drop(FilterId id, bool connected);
  [[nodiscard]] bool others_need_its_lead(FilterId id) const;
  [[nodiscard]] std::vector<FilterId> overlapping(FilterId id) const;
  std::uint32_t next_number();
  void changed() { ++generation_; }

  std::map<FilterId, Filter> filters_;  // in the order in which they came
  std::unordered_map<std::string, FilterId> by_text_;
  mqtt::FilterTrie trie_;
  bool numbered_ = false;
  std::set<FilterId> to_give_up_;  // wanted by nobody, but leading others
  std::vector<FilterId> round_;    // being given up
  std::unordered_set<std::string> to_unsubscribe_;
  std::multimap<Instant, Deadline> deadlines_;
  FilterId last_id_ = 0;
  std::uint32_t last_number_ = 0;
  GrantNumber last_grant_ = 0;
  MessageSequence last_message_ = 0;
  std::unordered_map<std::string, CachedMatch, TopicHash, std::equal_to<>> cache_;
  bool keep_cache_ = false;
  std::uint64_t generation_ = 1;
  Actions actions_;
};

}  // namespace famemely::gateway
