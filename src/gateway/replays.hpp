#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/ports.hpp"

namespace famemely::gateway {

/// Retained messages on their way to the clients of one worker. They are pulled as a client's queue drains, so that any
/// number of them needs no room in it; meanwhile a live message makes the older retained one of its topic go.
class Replays {
 public:
  /// Begins behind those that the client has already.
  void add(ClientSlot client, FilterId filter, std::shared_ptr<const RetainedList> list, MessageSequence joined_at);
  /// The next message for the client, or nothing if there is none (any more).
  [[nodiscard]] const RetainedMessage* next(ClientSlot client);
  /// The filter for which that one was fetched.
  [[nodiscard]] FilterId filter(ClientSlot client) const { return replays_.at(client).front().filter; }
  /// The one that `next` gave is queued.
  void pop(ClientSlot client);
  /// The client is given a live message that makes older ones of the topic old, or perhaps does.
  void on_live_message(ClientSlot client, std::string_view topic, MessageSequence sequence, Overtaking overtaking);
  /// The client does not hold the filter any more.
  void stop(ClientSlot client, FilterId filter);
  void remove(ClientSlot client) { replays_.erase(client); }

  [[nodiscard]] bool empty() const { return replays_.empty(); }

  /// What a replay that is over has left out for messages that were perhaps not retained: to be fetched again.
  struct LeftOut {
    ClientSlot client;
    FilterId filter;
    MessageSequence joined_at;
    std::map<std::string, MessageSequence> overtaken;
  };
  [[nodiscard]] std::vector<LeftOut> take_left_out() { return std::exchange(left_out_, {}); }

  struct Live {
    MessageSequence sequence;
    Overtaking overtaking;
  };
  /// One list on its way to one client.
  struct Replay {
    FilterId filter;
    std::shared_ptr<const RetainedList> list;
    MessageSequence joined_at;
    std::size_t at = 0;
    std::unordered_map<std::string, Live> live{};
    std::map<std::string, MessageSequence> left_out{};
  };
  /// Those of a client that goes away, to be given to it again elsewhere.
  [[nodiscard]] std::deque<Replay> take(ClientSlot client);
  void give(ClientSlot client, std::deque<Replay> replays);

 private:
  std::unordered_map<ClientSlot, std::deque<Replay>> replays_;
  std::vector<LeftOut> left_out_;
};

}  // namespace famemely::gateway
