#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "gateway/ports.hpp"
#include "protocol/mqtt/filter_trie.hpp"
#include "protocol/mqtt/reason_code.hpp"
#include "protocol/mqtt/topic_filter.hpp"

namespace famemely::gateway {

/// One bit a worker.
using WorkerSet = std::uint64_t;

/// The filters that the link holds at the broker: one subscription each, however many workers and sockets share it.
///
/// Overlapping filters never make duplicates, by one rule: each filter has a number, its subscription identifier,
/// counted up in the order of SUBSCRIBE. Of the filters that match a topic, the one with the lowest number leads: its
/// copy of a message goes to everybody who holds any of them, all other copies are dropped (docs/architecture.md).
class UpstreamFilters {
 public:
  /// A subscribe that has no answer by then fails.
  static constexpr std::chrono::seconds kAskTimeout{10};

  /// What to do upstream, in this order. The caller empties it.
  struct Actions {
    std::vector<FilterId> subscribe;
    std::vector<mqtt::TopicFilter> unsubscribe;
    std::vector<std::pair<WorkerIndex, WorkerEvent>> events;
  };
  /// Who is concerned by a topic.
  struct Match {
    MatchList filters;
    WorkerSet workers = 0;
    std::uint32_t leader = 0;  // its number
  };

  void ask(const SubscribeCommand& command, Instant now, bool connected);
  void release(const ReleaseCommand& command, bool connected);

  /// With the session lost, everything is asked of the broker again, under new numbers.
  void on_connected(bool session_present);
  void on_disconnected();
  void on_subscribed(FilterId id, mqtt::ReasonCode code, std::string_view reason);
  /// The connection went before the broker answered.
  void on_answer_lost(FilterId id);
  void on_unsubscribe_lost(const mqtt::TopicFilter& filter);
  void expire(Instant now, bool connected);
  [[nodiscard]] Instant next_deadline() const;

  /// The match of a topic; cached. Valid until the next call of anything.
  [[nodiscard]] const Match& match(std::string_view topic);

  [[nodiscard]] const mqtt::TopicFilter& filter(FilterId id) const { return filters_.at(id).filter; }
  [[nodiscard]] bool contains(FilterId id) const { return filters_.contains(id); }
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
    bool granted_before = false;  // the broker has granted it within this session
    std::uint8_t qos_needed = 0;  // by its own holders and waiters
    std::uint8_t qos_asked = 0;   // by the last SUBSCRIBE: also what overlapping filters need
    std::uint8_t qos_granted = 0;
    std::vector<Waiter> waiters;
  };
  struct CachedMatch {
    Match match;
    std::uint64_t generation = 0;
  };
  struct Deadline {
    Instant due;
    WorkerIndex worker;
    RequestId request;
    FilterId filter;
  };
  struct TopicHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view topic) const noexcept { return std::hash<std::string_view>{}(topic); }
  };

  FilterId add(const mqtt::TopicFilter& filter);
  void need(FilterId id, std::uint8_t qos, bool connected);
  void raise(FilterId id, std::uint8_t qos, bool connected);
  void answer_waiters(Filter& filter, FilterId id);
  void refuse_waiters(Filter& filter, const Error& error);
  void drop_if_unheld(FilterId id, bool connected);
  void drop(FilterId id, bool connected);
  std::vector<FilterId> overlapping(const Filter& filter, FilterId id) const;
  std::uint32_t next_number();
  void changed() { ++generation_; }

  std::map<FilterId, Filter> filters_;  // in the order in which they came
  std::unordered_map<std::string, FilterId> by_text_;
  mqtt::FilterTrie trie_;
  std::unordered_set<FilterId> lingering_;  // held for nobody, because others overlap them
  std::unordered_set<std::string> to_unsubscribe_;
  std::deque<Deadline> deadlines_;
  FilterId last_id_ = 0;
  std::uint32_t last_number_ = 0;
  std::unordered_map<std::string, CachedMatch, TopicHash, std::equal_to<>> cache_;
  std::uint64_t generation_ = 1;
  std::vector<std::uint32_t> found_;  // scratch of `match`
  Actions actions_;
};

}  // namespace famemely::gateway
