#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
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

/// One connection with the broker, and its session. The first lane is the usual one; see UpstreamFilters for the
/// others.
using LaneIndex = std::uint8_t;

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
///
/// Where the broker tells no subscription identifiers, overlapping filters are held by different connections, the
/// lanes: then the lane tells whose copy it is. A filter gets the first lane that holds none which overlaps it, and is
/// subscribed when the older ones that overlap it have been granted: a message that it has a copy of, its leader has.
/// One that is unsubscribed keeps its place until a fence has come: copies of it may be on their way.
class UpstreamFilters {
 public:
  /// A subscribe that has no answer by then fails.
  static constexpr std::chrono::seconds kAskTimeout{10};
  static constexpr LaneIndex kLanesMax = 8;

  struct Subscribe {
    LaneIndex lane;
    FilterId id;
  };
  struct Unsubscribe {
    LaneIndex lane;
    mqtt::TopicFilter filter;
  };
  /// The filter whose copy counts. Number 0: none.
  struct Leader {
    std::uint32_t number = 0;
    LaneIndex lane = 0;
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
    Leader leader_before{};  // where the fence of the round has not come yet, and outside of rounds
    Leader leader_after{};   // where it has
    /// The last message of the topic that makes older retained ones old, and what tells its payload: noted by the
    /// caller, and kept while fetches are open.
    MessageSequence last_overtaking = 0;
    std::size_t last_fingerprint = 0;
  };

  /// `deadline`: when it fails if the broker has not answered; kNever waits for as long as it takes.
  void ask(const SubscribeCommand& command, Instant deadline);
  void release(const ReleaseCommand& command);
  /// Adds a worker to those that hold a filter which is held already. The grant is for the caller to pass on.
  [[nodiscard]] Granted hold(FilterId id, WorkerIndex worker, std::uint8_t qos);
  /// Messages are counted here, because grants tell after which one they come.
  MessageSequence count_message() { return ++last_message_; }
  [[nodiscard]] MessageSequence last_message() const { return last_message_; }

  /// Whether the broker tells subscription identifiers: else there are lanes. Asked for before any lane comes up.
  void set_numbered(bool numbered);
  /// Lanes that hold filters, or will when they are up.
  [[nodiscard]] LaneIndex lanes_wanted() const { return lanes_wanted_; }
  /// With its session lost, everything that the lane holds is asked of the broker again.
  void on_connected(LaneIndex lane, bool session_present);
  void on_disconnected(LaneIndex lane);
  void on_subscribed(FilterId id, mqtt::ReasonCode code, std::string_view reason);
  /// The connection went before the broker answered. `blamed`: perhaps because of the filter.
  void on_answer_lost(FilterId id, bool blamed);
  /// Connections have gone twice in a row, perhaps because of it: it is to be asked for alone. Some brokers close the
  /// connection where they refuse, and no filter shall keep the link down: with the third it is refused.
  [[nodiscard]] bool is_suspect(FilterId id) const { return filters_.at(id).drops >= kDropsOfSuspect; }
  void on_unsubscribed(LaneIndex lane, const mqtt::TopicFilter& filter);
  void on_unsubscribe_lost(LaneIndex lane, const mqtt::TopicFilter& filter);
  void expire(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  // Giving up filters that others need as their leader, a round of fences at a time.
  [[nodiscard]] bool wants_round() const { return round_.empty() && (!to_give_up_.empty() || ghosts_may_go_); }
  /// The fence is about to be sent. False if nothing waits for it (any more).
  bool begin_round();
  /// The fence has come through a stream of some lane: others lead there from now on, and nobody can change his mind.
  void on_fence() { fence_seen_ = !round_.empty(); }
  /// It has come through all streams of all lanes.
  void end_round();
  /// There are no fences. What has not begun to be given up is kept, and may be tried again.
  void cancel_round();

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
  [[nodiscard]] LaneIndex lane(FilterId id) const { return filters_.at(id).lane; }
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
    std::uint32_t number = 0;  // from its first SUBSCRIBE on
    LaneIndex lane = 0;
    WorkerSet workers = 0;
    State state = State::absent;
    bool sent = false;            // a SUBSCRIBE has left within this session: the broker may hold it
    bool granted_before = false;  // and the broker has granted it
    bool raised = false;          // asked for once more, at a higher quality, and not answered
    bool in_round = false;
    std::uint8_t drops = 0;       // connections in a row that went while it was asked for, perhaps because of it
    std::uint32_t asks = 0;       // SUBSCRIBEs on this connection that are not answered: the last answer counts
    std::uint8_t qos_needed = 0;  // by its own holders and waiters
    std::uint8_t qos_asked = 0;   // by the last SUBSCRIBE: also what overlapping filters need
    std::uint8_t qos_granted = 0;
    std::vector<Waiter> waiters;
    std::vector<GrantNumber> last_grants;  // by worker

    [[nodiscard]] bool wanted() const { return workers != 0 || !waiters.empty(); }
    [[nodiscard]] bool can_lead() const { return state != State::absent || granted_before; }
    /// The broker has it, at one quality of service or another.
    [[nodiscard]] bool is_changing() const { return raised || (granted_before && state != State::held); }
  };
  /// Unsubscribed, or about to be, on a lane that may bring copies still.
  struct Ghost {
    LaneIndex lane;
    mqtt::TopicFilter filter;
    bool unsubscribed = false;  // the broker has said so
    bool in_round = false;
  };
  struct CachedMatch {
    Match match;
    std::uint64_t generation = 0;
  };
  struct Deadline {
    WorkerIndex worker;
    RequestId request;
    FilterId filter;  // kNoFilter: it waits for a lane
  };
  static constexpr FilterId kNoFilter = 0;
  static constexpr std::uint8_t kDropsOfSuspect = 2;
  struct TopicHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view topic) const noexcept { return std::hash<std::string_view>{}(topic); }
  };

  /// Nothing if no lane is free for it.
  std::optional<FilterId> add(const mqtt::TopicFilter& filter);
  Granted grant(FilterId id, Filter& filter, WorkerIndex worker, std::uint8_t qos);
  void need(FilterId id, std::uint8_t qos);
  void raise(std::vector<FilterId> ids, std::uint8_t qos);
  void meet_postponed_needs();
  void subscribe(FilterId id, Filter& filter);
  void answer_waiters(Filter& filter, FilterId id);
  void refuse_waiters(Filter& filter, const Error& error);
  void take_away(Filter& filter, FilterId id, const Error& error);
  void drop_if_unwanted(FilterId id);
  void drop(FilterId id);
  void unsubscribe(LaneIndex lane, const mqtt::TopicFilter& filter);
  [[nodiscard]] bool others_need_its_lead(FilterId id) const;
  [[nodiscard]] std::vector<FilterId> overlapping(FilterId id) const;
  void forget_unwanted(LaneIndex lane);

  // Lanes (upstream_filters_lanes.cpp).
  [[nodiscard]] static Error no_lane_is_free();
  [[nodiscard]] bool is_up(LaneIndex lane) const { return lane < lanes_up_.size() && lanes_up_[lane]; }
  enum class Ghosts : std::uint8_t { avoid, ignore };
  [[nodiscard]] std::optional<LaneIndex> free_lane(const mqtt::TopicFilter& filter, FilterId before,
                                                   Ghosts ghosts) const;
  void wait_for_lane(const SubscribeCommand& command, Instant deadline);
  void admit_lane_waiters();
  void retarget(WorkerIndex worker, RequestId request, FilterId filter);
  void leave_ghost(LaneIndex lane, const mqtt::TopicFilter& filter);
  void erase_ghosts(const std::function<bool(const Ghost&)>& which);
  void assign_lanes();
  [[nodiscard]] bool waits_for_older(FilterId id, const Filter& filter) const;
  void wake(const std::vector<FilterId>& ids);
  std::uint32_t next_number();
  void changed() { ++generation_; }

  std::map<FilterId, Filter> filters_;  // in the order in which they came
  std::unordered_map<std::string, FilterId> by_text_;
  mqtt::FilterTrie trie_;
  bool numbered_ = true;  // until a broker says otherwise
  LaneIndex lanes_wanted_ = 1;
  std::vector<bool> lanes_up_;
  std::map<std::uint32_t, Ghost> ghosts_;
  std::array<mqtt::FilterTrie, kLanesMax> ghost_tries_;  // by lane
  std::uint32_t last_ghost_ = 0;
  bool ghosts_may_go_ = false;  // some are unsubscribed, and need a round
  std::vector<SubscribeCommand> lane_waiters_;
  std::set<FilterId> to_give_up_;  // wanted by nobody, but leading others
  std::vector<FilterId> round_;    // being given up
  bool fence_seen_ = false;
  std::set<FilterId> needs_after_round_;  // asked for at a quality that others would have to be raised to
  std::set<std::pair<LaneIndex, std::string>> to_unsubscribe_;  // when the lane is up
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
