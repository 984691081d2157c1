/// The rule of leader and fence against a model of a broker, over random histories: filters that overlap, sockets that
/// come and go, messages that queue, a connection that breaks. The whole bridge is driven, byte by byte as a broker
/// would.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gateway/bridge.hpp"
#include "gateway/testing.hpp"
#include "protocol/mqtt/topic_algebra.hpp"

namespace famemely::gateway {
namespace {

using namespace std::string_literals;
using mqtt::TopicFilter;

/// What the broker, or the rule, does otherwise.
struct Variant {
  bool one_copy = false;        // with the identifiers of all filters that match
  bool equal_contents = false;  // of all messages
  bool cuts = false;            // the connection breaks and is resumed
  // Mutants of the rule, which the model must find wrong.
  bool fence_is_no_fence = false;  // it comes back ahead of everything that is queued
  bool youngest_leads = false;
};

void append_u16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xFF);
}

std::size_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at])) << 8 | static_cast<std::uint8_t>(bytes[at + 1]);
}

struct Published {
  std::string topic;
  int qos = 0;
  bool fence = false;
  std::string payload;
  std::vector<bool> owed;   // by socket
  std::vector<int> given;   // by socket
  int copies_due = 0;       // not yet come to the link
  bool may_repeat = false;  // a copy of QoS 1 was sent again: at least once is what it promises
};

/// A copy on its way, or in flight.
struct Copy {
  std::size_t message;
  int qos;
  std::vector<std::uint32_t> numbers;
  std::size_t acks_before;  // answers that the broker had written by then
  std::size_t packet_id = 0;
  bool released = false;  // QoS 2: PUBREC has come
  bool dup = false;
};

/// A broker of version 5 that grants everything.
class ModelBroker {
 public:
  struct Subscription {
    TopicFilter filter;
    int qos;
    std::uint32_t number;  // 0: none
  };
  std::map<std::string, Subscription> subscriptions;
  std::deque<std::string> from_link;  // packets, whole
  std::deque<std::string> answers;    // to the link: SUBACK and the like are written at once
  std::size_t answers_written = 0;
  std::size_t answers_read = 0;
  std::deque<Copy> queue_0;
  std::deque<Copy> queue_12;   // not yet sent
  std::deque<Copy> in_flight;  // sent, not acknowledged
  std::size_t last_packet_id = 0;

  void answer(std::string packet) {
    answers.push_back(std::move(packet));
    ++answers_written;
  }
};

class OverlapModel {
 public:
  OverlapModel(std::uint32_t seed, const Variant& variant)
      : variant_(variant),
        random_(seed),
        source_(seed),
        bridge_({.session = session_options(), .workers = 2}, source_, logger_) {
    bridge_.start(now_);
    open("\x20\x03\x00\x00\x00"s);
  }

  /// Runs, then lets everything arrive. The first thing that was wrong, or nothing.
  std::string run(int steps) {
    for (int i = 0; i < steps && fault_.empty(); ++i) step();
    // A fence that was lost with a connection is sent again after a while.
    for (int wait = 0; wait < 5; ++wait) {
      while (fault_.empty() && !quiet()) deliver_something();
      now_.instant += FenceRounds::kResendInterval;
      bridge_.on_timer(now_);
      look();
    }
    for (std::size_t m = 0; m < messages_.size() && fault_.empty(); ++m)
      for (std::size_t socket = 0; socket < kSockets; ++socket)
        if (messages_[m].owed[socket] && messages_[m].given[socket] == 0)
          fault_ = "socket " + std::to_string(socket) + " has not got message " + std::to_string(m) + " on " +
                   messages_[m].topic;
    if (fault_.empty()) check_that_nothing_is_held_in_vain();
    return fault_;
  }
  [[nodiscard]] std::size_t given() const { return given_; }
  [[nodiscard]] std::size_t rounds() const { return fences_sent_ / 2; }

 private:
  static constexpr std::size_t kSockets = 5;
  static constexpr std::array kTopics{"a/b", "a/c", "b/b", "b"};
  static constexpr std::array kFilters{"a/b", "a/+", "a/#", "+/b", "#", "b/#", "+", "b"};

  static mqtt::SessionOptions session_options() {
    return {.client_id = "link", .version = mqtt::VersionChoice::only_5, .keepalive_s = 0};
  }

  std::size_t pick(std::size_t below) { return random_() % below; }

  void check_that_nothing_is_held_in_vain() {
    for (const auto& [filter, subscription] : broker_.subscriptions) {
      const bool held = std::ranges::any_of(held_, [&](const auto& of_socket) { return of_socket.contains(filter); });
      if (!held && !filter.starts_with('$')) fault_ = filter + " is subscribed, and nobody holds it";
    }
  }

  // --- the sockets, and a worker's bookkeeping for them ---

  struct Held {
    FilterId id;
    std::size_t since;  // messages published by then
  };
  struct Worker {
    std::map<std::string, FilterId> ids;
    std::map<std::string, int> asks;
    std::map<FilterId, std::set<std::size_t>> members;
    GrantNumber last_grant = 0;
  };
  struct Ask {
    std::size_t socket;
    std::string filter;
  };

  void subscribe() {
    const std::size_t socket = pick(kSockets);
    const std::string filter = kFilters[pick(kFilters.size())];
    const RequestId request = ++last_request_;
    asks_[request] = {socket, filter};
    ++workers_[socket % 2].asks[filter];
    command(SubscribeCommand{static_cast<WorkerIndex>(socket % 2), request, *TopicFilter::parse(filter),
                             static_cast<std::uint8_t>(pick(3))});
  }

  void unsubscribe() {
    const std::size_t socket = pick(kSockets);
    if (held_[socket].empty()) return;
    auto left = held_[socket].begin();
    std::advance(left, pick(held_[socket].size()));
    const std::string filter = left->first;
    Worker& worker = workers_[socket % 2];
    worker.members[left->second.id].erase(socket);
    held_[socket].erase(left);
    for (std::size_t m = 0; m < messages_.size(); ++m)
      if (messages_[m].copies_due > 0 && messages_[m].owed[socket]) messages_[m].owed[socket] = is_owed(socket, m);
    release_unheld(socket % 2, filter);
  }

  void release_unheld(std::size_t index, const std::string& filter) {
    Worker& worker = workers_[index];
    const auto id = worker.ids.find(filter);
    if (worker.asks[filter] > 0 || id == worker.ids.end() || !worker.members[id->second].empty()) return;
    const ReleaseCommand release{static_cast<WorkerIndex>(index), id->second, worker.last_grant};
    worker.ids.erase(id);
    command(release);
  }

  /// True if the socket has held one filter that matches since before the message.
  bool is_owed(std::size_t socket, std::size_t message) {
    return std::ranges::any_of(held_[socket], [&](const auto& held) {
      return held.second.since <= message && mqtt::matches(*TopicFilter::parse(held.first), messages_[message].topic);
    });
  }

  void command(LinkCommand one) {
    std::vector<LinkCommand> commands;
    commands.push_back(std::move(one));
    bridge_.on_commands(commands, now_);
    look();
  }

  // --- the link ---

  /// Takes what the bridge has for the workers and for the broker.
  void look() {
    for (bool again = true; again;) {
      again = false;
      bridge_.settle(now_);
      for (std::size_t worker = 0; worker < 2; ++worker) {
        std::vector<WorkerEvent> events;
        events.swap(bridge_.events_for(worker));
        if (events.empty()) continue;
        again = true;
        for (WorkerEvent& event : events) on_worker_event(worker, event);
        bridge_.on_handed_over(worker, now_);
      }
    }
    std::string output = std::exchange(bridge_.output(), {});
    bridge_.on_written(output.size(), now_);
    for (std::size_t at = 0; at < output.size();) {
      const std::size_t size = 2 + static_cast<std::uint8_t>(output[at + 1]);
      if (output[at + 1] & 0x80) std::abort();  // all packets here are short
      broker_.from_link.push_back(output.substr(at, size));
      at += size;
    }
  }

  void on_worker_event(std::size_t index, WorkerEvent& event) {
    Worker& worker = workers_[index];
    if (const auto* answer = std::get_if<SubscribeAnswer>(&event)) {
      const Ask ask = asks_.at(answer->request);
      asks_.erase(answer->request);
      --worker.asks[ask.filter];
      if (answer->outcome) {
        worker.last_grant = answer->outcome->number;
        const FilterId id = answer->outcome->filter;
        worker.ids[ask.filter] = id;
        worker.members[id].insert(ask.socket);
        held_[ask.socket].try_emplace(ask.filter, Held{id, messages_.size()});
        held_[ask.socket].at(ask.filter).id = id;
      }
      later_releases_.emplace_back(index, ask.filter);
    } else if (const auto* delivery = std::get_if<Delivery>(&event)) {
      std::set<std::size_t> receivers;
      for (const FilterId id : delivery->matched->filters)
        if (const auto found = worker.members.find(id); found != worker.members.end())
          receivers.insert(found->second.begin(), found->second.end());
      for (const std::size_t socket : receivers) {
        ++given_;
        if (++messages_[current_].given[socket] > 1 && !messages_[current_].may_repeat)
          fault_ = "socket " + std::to_string(socket) + " got message " + std::to_string(current_) + " twice";
      }
    }
  }

  void receive(const std::string& packet) {
    bridge_.on_bytes(packet, now_);
    look();
    for (const auto& [worker, filter] : std::exchange(later_releases_, {})) release_unheld(worker, filter);
  }

  // --- the broker ---

  void publish() {
    Published message{.topic = kTopics[pick(kTopics.size())],
                      .qos = static_cast<int>(pick(3)),
                      .payload = "x",
                      .owed = {},
                      .given = std::vector<int>(kSockets)};
    if (!variant_.equal_contents) message.payload = std::to_string(messages_.size());
    enqueue(std::move(message));
    const std::size_t last = messages_.size() - 1;
    for (std::size_t socket = 0; socket < kSockets; ++socket) messages_[last].owed.push_back(is_owed(socket, last));
  }

  void enqueue(Published message) {
    const std::size_t index = messages_.size();
    std::vector<const ModelBroker::Subscription*> matching;
    for (const auto& [text, subscription] : broker_.subscriptions)
      if (mqtt::matches(subscription.filter, message.topic)) matching.push_back(&subscription);
    std::ranges::sort(matching, {}, &ModelBroker::Subscription::number);
    std::vector<std::uint32_t> numbers;
    for (const auto* each : matching) numbers.push_back(each->number);
    if (variant_.youngest_leads) std::ranges::reverse(numbers);
    std::vector<Copy> copies;
    for (std::size_t i = 0; i < matching.size(); ++i) {
      Copy copy{.message = index,
                .qos = std::min(message.qos, matching[i]->qos),
                .numbers = {numbers[i]},
                .acks_before = broker_.answers_written};
      if (variant_.one_copy && !copies.empty()) {
        copies.front().numbers.push_back(numbers[i]);
        copies.front().qos = std::max(copies.front().qos, copy.qos);
      } else {
        copies.push_back(std::move(copy));
      }
    }
    std::ranges::shuffle(copies, random_);
    message.copies_due = static_cast<int>(copies.size());
    if (message.fence) message.owed.assign(kSockets, false);
    const bool ahead = message.fence && variant_.fence_is_no_fence;
    messages_.push_back(std::move(message));
    for (Copy& copy : copies) {
      auto& queue = copy.qos == 0 ? broker_.queue_0 : broker_.queue_12;
      if (ahead)
        queue.push_front(std::move(copy));
      else
        queue.push_back(std::move(copy));
    }
  }

  void process_packet() {
    if (broker_.from_link.empty()) return;
    const std::string packet = broker_.from_link.front();
    broker_.from_link.pop_front();
    switch (static_cast<std::uint8_t>(packet[0]) >> 4) {
      case 3: {  // PUBLISH: a fence
        const int qos = packet[0] >> 1 & 3;
        const std::size_t length = u16_at(packet, 2);
        std::size_t at = 4 + length;
        const std::string id = qos > 0 ? packet.substr(at, 2) : "";
        at += id.size();
        ++fences_sent_;
        enqueue({.topic = packet.substr(4, length),
                 .qos = qos,
                 .fence = true,
                 .payload = packet.substr(at + 1),
                 .owed = {},
                 .given = std::vector<int>(kSockets)});
        if (qos > 0) broker_.answer("\x40\x02" + id);
        break;
      }
      case 8: {  // SUBSCRIBE
        const std::size_t properties = static_cast<std::uint8_t>(packet[4]);
        std::uint32_t number = 0;
        if (properties > 0) {
          number = static_cast<std::uint8_t>(packet[6]) & 0x7FU;
          if (packet[6] & 0x80) number |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(packet[7])) << 7;
        }
        const std::size_t at = 5 + properties;
        const std::string text = packet.substr(at + 2, u16_at(packet, at));
        const int qos = packet.back() & 3;
        broker_.subscriptions.insert_or_assign(text, ModelBroker::Subscription{*TopicFilter::parse(text), qos, number});
        broker_.answer("\x90\x04" + packet.substr(2, 2) + std::string(1, '\0') + static_cast<char>(qos));
        break;
      }
      case 10:  // UNSUBSCRIBE
        broker_.subscriptions.erase(packet.substr(7));
        broker_.answer("\xB0\x04" + packet.substr(2, 2) + std::string(2, '\0'));
        break;
      case 4:  // PUBACK
      case 7:  // PUBCOMP
        std::erase_if(broker_.in_flight, [&](const Copy& copy) { return copy.packet_id == u16_at(packet, 2); });
        break;
      case 5:  // PUBREC
        for (Copy& copy : broker_.in_flight)
          if (copy.packet_id == u16_at(packet, 2)) copy.released = true;
        broker_.answer("\x62\x02" + packet.substr(2, 2));
        break;
      default:
        break;
    }
  }

  void send(const Copy& copy) {
    Published& message = messages_[copy.message];
    std::string body;
    append_u16(body, message.topic.size());
    body += message.topic;
    if (copy.qos > 0) append_u16(body, copy.packet_id);
    std::string properties;
    for (const std::uint32_t number : copy.numbers) {
      if (number == 0) continue;
      properties += '\x0B';
      if (number < 128) {
        properties += static_cast<char>(number);
      } else {
        properties += static_cast<char>((number & 0x7F) | 0x80);
        properties += static_cast<char>(number >> 7);
      }
    }
    body += static_cast<char>(properties.size());
    body += properties + message.payload;
    std::string packet(1, static_cast<char>(0x30 | (copy.dup ? 8 : 0) | copy.qos << 1));
    packet += static_cast<char>(body.size());
    current_ = copy.message;
    if (!copy.dup) --message.copies_due;
    receive(packet + body);
  }

  template <typename Queue>
  bool ready(const Queue& queue) const {
    return !queue.empty() && queue.front().acks_before <= broker_.answers_read;
  }

  void deliver_something() {
    switch (pick(4)) {
      case 0:
        if (broker_.answers.empty()) return;
        ++broker_.answers_read;
        receive(take(broker_.answers));
        return;
      case 1:
        if (ready(broker_.queue_0)) send(take(broker_.queue_0));
        return;
      case 2: {
        if (!resend_.empty()) return resend_one();
        if (!ready(broker_.queue_12)) return;
        Copy copy = take(broker_.queue_12);
        copy.packet_id = ++broker_.last_packet_id;
        broker_.in_flight.push_back(copy);
        send(copy);
        return;
      }
      default:
        process_packet();
    }
  }

  template <typename Queue>
  typename Queue::value_type take(Queue& queue) {
    typename Queue::value_type first = std::move(queue.front());
    queue.pop_front();
    return first;
  }

  void step() {
    const std::size_t what = pick(100);
    if (what < 8)
      subscribe();
    else if (what < 16)
      unsubscribe();
    else if (what < 30)
      publish();
    else if (what == 30 && variant_.cuts && pick(4) == 0)
      cut();
    else
      deliver_something();
  }

  bool quiet() const {
    return broker_.from_link.empty() && broker_.answers.empty() && broker_.queue_0.empty() &&
           broker_.queue_12.empty() && resend_.empty();
  }

  // --- the connection ---

  void open(const std::string& connack) {
    if (!bridge_.take_open_wish()) {
      now_.instant += std::chrono::seconds(40);
      bridge_.on_timer(now_);
      if (!bridge_.take_open_wish()) std::abort();
    }
    bridge_.on_transport_open(now_);
    bridge_.output().clear();
    receive(connack);
  }

  void cut() {
    for (const Copy& copy : broker_.queue_0)
      for (std::size_t socket = 0; socket < kSockets; ++socket) messages_[copy.message].owed[socket] = false;
    broker_.queue_0.clear();
    broker_.from_link.clear();
    broker_.answers.clear();
    broker_.answers_read = broker_.answers_written;
    for (Copy& copy : broker_.in_flight) {
      copy.dup = true;
      if (copy.qos == 1) messages_[copy.message].may_repeat = true;
    }
    resend_.assign(broker_.in_flight.begin(), broker_.in_flight.end());
    bridge_.on_transport_closed("cut", now_);
    look();
    broker_.from_link.clear();
    open("\x20\x03\x01\x00\x00"s);
  }

  void resend_one() {
    const Copy copy = take(resend_);
    if (copy.released) {
      std::string packet("\x62\x02");
      append_u16(packet, copy.packet_id);
      return receive(packet);
    }
    send(copy);
  }

  Variant variant_;
  std::mt19937 random_;
  testing::SeededRandom source_;
  testing::WarningLogger logger_;
  Now now_{Instant{} + std::chrono::hours(1), WallTime{}};
  Bridge bridge_;
  ModelBroker broker_;
  std::deque<Copy> resend_;
  std::array<Worker, 2> workers_;
  std::map<RequestId, Ask> asks_;
  std::vector<std::pair<std::size_t, std::string>> later_releases_;
  RequestId last_request_ = 0;
  std::array<std::map<std::string, Held>, kSockets> held_;
  std::vector<Published> messages_;
  std::size_t current_ = 0;
  std::size_t given_ = 0;
  std::size_t fences_sent_ = 0;
  std::string fault_;
};

constexpr int kSteps = 600;

/// The first fault in so many histories.
std::string first_fault(const Variant& variant, std::uint32_t histories) {
  for (std::uint32_t seed = 1; seed <= histories; ++seed) {
    const std::string fault = OverlapModel(seed, variant).run(kSteps);
    if (!fault.empty()) return "seed " + std::to_string(seed) + ": " + fault;
  }
  return "";
}

class ExactlyOnce : public ::testing::TestWithParam<Variant> {};

TEST_P(ExactlyOnce, HoldsWhateverOverlaps) { EXPECT_EQ(first_fault(GetParam(), 1'000), ""); }

INSTANTIATE_TEST_SUITE_P(Brokers, ExactlyOnce,
                         ::testing::Values(Variant{}, Variant{.equal_contents = true}, Variant{.one_copy = true},
                                           Variant{.cuts = true}, Variant{.one_copy = true, .cuts = true}));

/// Brokers that send a copy for each filter: one copy with all identifiers names all leaders, old and new.
class ExactlyOnceOfManyCopies : public ::testing::TestWithParam<Variant> {};

TEST_P(ExactlyOnceOfManyCopies, IsLostWithoutAFence) {
  Variant mutant = GetParam();
  mutant.fence_is_no_fence = true;
  EXPECT_NE(first_fault(mutant, 1'000), "");
}

TEST_P(ExactlyOnceOfManyCopies, IsLostIfTheYoungestLeads) {
  Variant mutant = GetParam();
  mutant.youngest_leads = true;
  EXPECT_NE(first_fault(mutant, 1'000), "");
}

INSTANTIATE_TEST_SUITE_P(Brokers, ExactlyOnceOfManyCopies,
                         ::testing::Values(Variant{}, Variant{.equal_contents = true}, Variant{.cuts = true}));

TEST(OverlapModel, GoesThroughWhatItIsAbout) {
  OverlapModel model(1, {});
  EXPECT_EQ(model.run(20'000), "");
  EXPECT_GT(model.given(), 1'000U);
  EXPECT_GT(model.rounds(), 5U);
}

}  // namespace
}  // namespace famemely::gateway
