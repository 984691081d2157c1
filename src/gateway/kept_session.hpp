#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "gateway/own_events.hpp"
#include "gateway/ports.hpp"
#include "gateway/replays.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/socketio/effects.hpp"

namespace famemely::gateway {

/// A client's own hold on a filter.
struct Subscription {
  std::string id;
  mqtt::TopicFilter filter;
  FilterId filter_id;
  std::uint8_t qos;  // what the broker granted, at most what was asked
  WallTime created_at;
  MessageSequence joined_at = 0;  // the last message before it was granted
};

/// The session of a socket whose connection has dropped: what its client finds again if it comes back in time, on
/// whatever worker.
struct KeptSession {
  struct UnansweredSubscribe {
    mqtt::TopicFilter filter;
    std::uint8_t qos;
  };
  struct UnansweredRetained {
    FilterId filter;
    MessageSequence joined_at;
  };

  socketio::Sid sid;
  socketio::Sid pid;
  std::string user_id;
  std::string session_id;  // as its last token had it
  std::vector<Subscription> subscriptions;
  OwnEvents own_events;
  std::deque<Replays::Replay> replays;  // of retained messages, not all queued yet
  std::vector<UnansweredRetained> unanswered_retained;
  std::vector<UnansweredSubscribe> unanswered_subscribes;
  std::vector<std::pair<mqtt::TopicFilter, Error>> lost;  // taken away by the broker meanwhile
  std::uint64_t dropped = 0;                              // QoS 0 messages that it was not told of
  Instant deadline = kNever;
  std::optional<socketio::SocketId> socket;  // that it was, on the worker that keeps it

  /// What it takes in memory but for what it has missed in common with others; it stays the same while it is kept, but
  /// for filters that are lost.
  [[nodiscard]] std::size_t bytes() const;
  /// That it holds, or has asked for.
  [[nodiscard]] std::size_t filter_count() const { return subscriptions.size() + unanswered_subscribes.size(); }
};

struct SidHash {
  std::size_t operator()(const socketio::Sid& sid) const { return static_cast<std::size_t>(sid.hash()); }
};

}  // namespace famemely::gateway
