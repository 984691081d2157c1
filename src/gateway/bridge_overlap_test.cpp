/// The rule of leader, fence and lanes against a model of a broker, over random histories: filters that overlap,
/// sockets that come and go, messages that queue, connections that break, brokers that forget. The whole bridge is
/// driven, byte by byte as a broker would.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gateway/bridge.hpp"
#include "gateway/overlap_broker.hpp"
#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using namespace std::string_literals;
using mqtt::TopicFilter;
using testing::BrokerClient;
using testing::Copy;

/// What the broker, or the rule, does otherwise.
struct Variant {
  testing::BrokerVariant broker{};
  bool equal_contents = false;  // of all messages
  bool cuts = false;            // connections break and are resumed
  bool restarts = false;        // the broker goes, and has forgotten everything when it is back
  bool losses = false;          // single sessions are lost: others' messages may be too, but nothing comes twice
};

struct Published {
  std::string topic;
  int qos = 0;
  bool fence = false;
  std::string payload;
  std::vector<bool> owed{};    // by socket
  std::vector<int> given{};    // by socket
  std::size_t copies_due = 0;  // not yet come to the link
  bool may_repeat = false;     // a copy of QoS 1 was sent again: at least once is what it promises
};

class OverlapModel {
 public:
  OverlapModel(std::uint32_t seed, const Variant& variant)
      : variant_(variant),
        random_(seed),
        source_(seed),
        bridge_({.session = session_options(variant.broker.numbered), .workers = 2}, source_, logger_) {
    bridge_.start(now_);
    look();
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
        if (messages_[m].owed[socket] && messages_[m].given[socket] == 0 && !variant_.losses)
          fault_ = "socket " + std::to_string(socket) + " has not got message " + std::to_string(m) + " on " +
                   messages_[m].topic;
    if (fault_.empty()) check_that_nothing_is_held_in_vain();
    return fault_;
  }
  [[nodiscard]] std::size_t given() const { return given_; }
  [[nodiscard]] std::size_t rounds() const { return fences_sent_ / 2; }
  [[nodiscard]] std::size_t lanes() const { return clients_.size(); }

 private:
  static constexpr std::size_t kSockets = 5;
  static constexpr std::array kTopics{"a/b", "a/c", "b/b", "b"};
  static constexpr std::array kFilters{"a/b", "a/+", "a/#", "+/b", "#", "b/#", "+", "b"};

  static mqtt::SessionOptions session_options(bool numbered) {
    return {.client_id = "link",
            .version = numbered ? mqtt::VersionChoice::only_5 : mqtt::VersionChoice::only_3_1_1,
            .keepalive_s = 0};
  }

  std::size_t pick(std::size_t below) { return random_() % below; }

  void check_that_nothing_is_held_in_vain() {
    for (const BrokerClient& client : clients_)
      for (const auto& [filter, subscription] : client.subscriptions) {
        const bool held = std::ranges::any_of(held_, [&](const auto& of_socket) { return of_socket.contains(filter); });
        if (!held && !filter.starts_with('$') && !filter.starts_with("famemely/"))
          fault_ = filter + " is subscribed, and nobody holds it";
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

  /// True if the socket has held one filter that matches since before the message, and the broker knows of it.
  bool is_owed(std::size_t socket, std::size_t message) {
    return std::ranges::any_of(held_[socket], [&](const auto& held) {
      return held.second.since <= message && mqtt::matches(*TopicFilter::parse(held.first), messages_[message].topic) &&
             std::ranges::any_of(clients_,
                                 [&](const BrokerClient& client) { return client.subscriptions.contains(held.first); });
    });
  }

  void excuse(std::size_t message) { messages_[message].owed.assign(kSockets, false); }

  void command(LinkCommand one) {
    std::vector<LinkCommand> commands;
    commands.push_back(std::move(one));
    bridge_.on_commands(commands, now_);
    look();
  }

  // --- the link ---

  BrokerChannel& channel(std::size_t lane) { return *bridge_.channels()[lane == 0 ? 0 : lane + 1]; }
  std::size_t lane_count() const { return bridge_.channels().size() - 1; }

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
    while (clients_.size() < lane_count()) clients_.emplace_back();
    present_.resize(clients_.size());
    unsure_.resize(clients_.size());
    connected_.resize(clients_.size());
    fences_seen_.resize(clients_.size(), fence_);
    fences_0_seen_.resize(clients_.size(), fence_);
    for (std::size_t lane = 0; lane < clients_.size(); ++lane) {
      std::string output = std::exchange(channel(lane).output(), {});
      channel(lane).on_written(output.size(), now_);
      for (std::size_t at = 0; at < output.size();) {
        const std::size_t size = 2 + static_cast<std::uint8_t>(output[at + 1]);
        if (output[at + 1] & 0x80) std::abort();  // all packets here are short
        clients_[lane].from_link.push_back(output.substr(at, size));
        const std::string& packet = clients_[lane].from_link.back();
        if (static_cast<std::uint8_t>(packet[0]) >> 4 == 3) fence_ = std::stoi(fence_payload(packet));
        at += size;
      }
    }
    for (std::size_t lane = 0; lane < clients_.size(); ++lane)
      if (channel(lane).take_open_wish()) open(lane);
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

  void receive(std::size_t lane, const std::string& packet) {
    channel(lane).on_bytes(packet, now_);
    look();
    for (const auto& [worker, filter] : std::exchange(later_releases_, {})) release_unheld(worker, filter);
  }

  // --- the broker ---

  void publish() {
    Published message{.topic = kTopics[pick(kTopics.size())], .qos = static_cast<int>(pick(3)), .payload = "x"};
    if (!variant_.equal_contents) message.payload = std::to_string(messages_.size());
    enqueue(std::move(message));
    const std::size_t last = messages_.size() - 1;
    for (std::size_t socket = 0; socket < kSockets; ++socket) messages_[last].owed[socket] = is_owed(socket, last);
  }

  void enqueue(Published message) {
    const std::size_t index = messages_.size();
    const bool ahead = message.fence && variant_.broker.fence_is_no_fence;
    message.owed.assign(kSockets, false);
    message.given.assign(kSockets, 0);
    for (BrokerClient& client : clients_)
      message.copies_due += client.enqueue(index, message.topic, message.qos, ahead, variant_.broker, random_);
    messages_.push_back(std::move(message));
  }

  std::string fence_payload(const std::string& publish) const {
    const std::size_t packet_id = (publish[0] & 6) != 0 ? 2 : 0;
    return publish.substr(4 + testing::u16_at(publish, 2) + packet_id + (variant_.broker.numbered ? 1 : 0));
  }

  void process_packet(std::size_t lane) {
    BrokerClient& client = clients_[lane];
    if (client.from_link.empty()) return;
    const std::string packet = take(client.from_link);
    if (static_cast<std::uint8_t>(packet[0]) >> 4 != 3) return client.process(packet, variant_.broker.numbered);
    // PUBLISH: a fence
    const int qos = packet[0] >> 1 & 3;
    const std::size_t length = testing::u16_at(packet, 2);
    ++fences_sent_;
    enqueue({.topic = packet.substr(4, length), .qos = qos, .fence = true, .payload = fence_payload(packet)});
    if (qos > 0) client.answer("\x40\x02" + packet.substr(4 + length, 2));
  }

  void send(std::size_t lane, const Copy& copy) {
    Published& message = messages_[copy.message];
    const std::string packet = BrokerClient::encode(copy, message.topic, message.payload, variant_.broker.numbered);
    current_ = copy.message;
    if (!copy.dup) --message.copies_due;
    if (message.fence) {
      const int round = std::stoi(message.payload);
      if (copy.qos == 0) {
        if (round == fence_) unsure_[lane] = false;  // one of an older round says nothing of this one
        fences_0_seen_[lane] = round;
      }
      if (copy.qos == 1) fences_seen_[lane] = round;
    }
    if (copy.qos == 0 && unsure_[lane]) excuse(copy.message);
    receive(lane, packet);
  }

  void deliver_something() {
    const std::size_t lane = pick(clients_.size());
    BrokerClient& client = clients_[lane];
    switch (pick(4)) {
      case 0:
        if (client.answers.empty()) return;
        ++client.answers_read;
        return receive(lane, take(client.answers));
      case 1:
        if (client.ready(client.queue_0)) send(lane, take(client.queue_0));
        return;
      case 2: {
        if (!client.resend.empty()) return resend_one(lane);
        if (!client.ready(client.queue_12)) return;
        Copy copy = take(client.queue_12);
        copy.packet_id = ++client.last_packet_id;
        client.in_flight.push_back(copy);
        return send(lane, copy);
      }
      default:
        process_packet(lane);
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
    else if (what < 22)
      publish();
    else if (what == 22 && variant_.cuts && pick(4) == 0)
      cut(pick(clients_.size()), false);
    else if (what == 22 && variant_.losses && pick(4) == 0)
      cut(pick(clients_.size()), true);
    else if (what == 23 && variant_.restarts && pick(8) == 0)
      restart();
    else
      deliver_something();
  }

  bool quiet() const {
    return std::ranges::all_of(clients_, [](const BrokerClient& client) { return client.quiet(); });
  }

  // --- the connections ---

  void open(std::size_t lane) {
    connected_[lane] = true;
    channel(lane).on_transport_open(now_);
    channel(lane).output().clear();
    const char present = present_[lane] ? '\x01' : '\0';
    receive(lane, variant_.broker.numbered ? "\x20\x03"s + present + "\x00\x00"s : "\x20\x02"s + present + "\x00"s);
  }

  void cut(std::size_t lane, bool forget) {
    break_wire(lane, forget);
    come_back();
  }

  void restart() {
    for (std::size_t lane = 0; lane < clients_.size(); ++lane) break_wire(lane, true);
    come_back();
  }

  void break_wire(std::size_t lane, bool forget) {
    BrokerClient& client = clients_[lane];
    client.from_link.clear();
    client.answers.clear();
    client.answers_read = client.answers_written;
    lose(client.queue_0);
    if (forget) {
      lose(client.queue_12);
      client = BrokerClient{};
    }
    for (Copy& copy : client.in_flight) {
      copy.dup = true;
      if (copy.qos == 1) messages_[copy.message].may_repeat = true;
    }
    client.resend.assign(client.in_flight.begin(), client.in_flight.end());
    present_[lane] = !forget;
    connected_[lane] = false;
    const auto is_late = [&](int seen) { return seen < fence_; };
    unsure_[lane] = clients_.size() > 1 &&
                    (std::ranges::any_of(fences_seen_, is_late) || std::ranges::any_of(fences_0_seen_, is_late));
    channel(lane).on_transport_closed("cut", now_);
  }

  void lose(std::deque<Copy>& queue) {
    for (const Copy& copy : std::exchange(queue, {})) {
      excuse(copy.message);
      --messages_[copy.message].copies_due;
    }
  }

  void come_back() {
    look();
    while (std::ranges::count(connected_, false) != 0) {
      now_.instant += std::chrono::seconds(40);
      bridge_.on_timer(now_);
      look();
    }
  }

  void resend_one(std::size_t lane) {
    const Copy copy = take(clients_[lane].resend);
    if (copy.released) {
      std::string packet("\x62\x02");
      testing::append_u16(packet, copy.packet_id);
      return receive(lane, packet);
    }
    send(lane, copy);
  }

  Variant variant_;
  std::mt19937 random_;
  testing::SeededRandom source_;
  testing::WarningLogger logger_;
  Now now_{Instant{} + std::chrono::hours(1), WallTime{}};
  Bridge bridge_;
  std::deque<BrokerClient> clients_;  // by lane
  std::vector<bool> present_;         // by lane: the broker has a session
  std::vector<bool> connected_;       // by lane
  std::vector<bool> unsure_;          // by lane: a fence of QoS 0 may have gone with a connection
  std::vector<int> fences_0_seen_;    // by lane: the last round whose fence of QoS 0 has come
  std::vector<int> fences_seen_;      // by lane: the last round whose fence of QoS 1 has come
  int fence_ = 0;                     // the last round that the link has begun
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

/// A number that the environment may say otherwise (docs/hacking.md).
std::uint32_t from_environment(const char* name, std::uint32_t fallback) {
  const char* text = std::getenv(name);
  return text ? static_cast<std::uint32_t>(std::stoul(text)) : fallback;
}

/// The first fault in so many histories.
std::string first_fault(const Variant& variant, std::uint32_t histories) {
  const std::uint32_t first = from_environment("OVERLAP_FIRST_SEED", 1);
  for (std::uint32_t seed = first; seed < first + histories; ++seed) {
    const std::string fault = OverlapModel(seed, variant).run(kSteps);
    if (!fault.empty()) return "seed " + std::to_string(seed) + ": " + fault;
  }
  return "";
}

constexpr testing::BrokerVariant kOneCopy{.one_copy = true};
constexpr testing::BrokerVariant kLanes{.numbered = false};

class ExactlyOnce : public ::testing::TestWithParam<Variant> {};

TEST_P(ExactlyOnce, HoldsWhateverOverlaps) {
  EXPECT_EQ(first_fault(GetParam(), from_environment("OVERLAP_HISTORIES", 1'000)), "");
}

INSTANTIATE_TEST_SUITE_P(Brokers, ExactlyOnce,
                         ::testing::Values(Variant{}, Variant{.equal_contents = true}, Variant{.broker = kOneCopy},
                                           Variant{.cuts = true}, Variant{.broker = kOneCopy, .cuts = true},
                                           Variant{.restarts = true}));
INSTANTIATE_TEST_SUITE_P(Lanes, ExactlyOnce,
                         ::testing::Values(Variant{.broker = kLanes}, Variant{.broker = kLanes, .cuts = true},
                                           Variant{.broker = kLanes, .restarts = true},
                                           Variant{.broker = kLanes, .losses = true}));

/// Brokers that send a copy for each filter: one copy with all identifiers names all leaders, old and new.
class ExactlyOnceOfManyCopies : public ::testing::TestWithParam<Variant> {};

TEST_P(ExactlyOnceOfManyCopies, IsLostWithoutAFence) {
  Variant mutant = GetParam();
  mutant.broker.fence_is_no_fence = true;
  EXPECT_NE(first_fault(mutant, 1'000), "");
}

INSTANTIATE_TEST_SUITE_P(Brokers, ExactlyOnceOfManyCopies,
                         ::testing::Values(Variant{}, Variant{.equal_contents = true}, Variant{.cuts = true},
                                           Variant{.broker = kLanes}));

TEST(OverlapModel, HistoriesThatFailedOnce) {
  EXPECT_EQ(OverlapModel(18'083, {.broker = kLanes}).run(kSteps), "");
  EXPECT_EQ(OverlapModel(1'714, {.broker = kLanes, .cuts = true}).run(kSteps), "");
}

TEST(OverlapModel, GoesThroughWhatItIsAbout) {
  OverlapModel model(1, {});
  EXPECT_EQ(model.run(20'000), "");
  EXPECT_GT(model.given(), 1'000U);
  EXPECT_GT(model.rounds(), 5U);
  EXPECT_EQ(model.lanes(), 1U);
  OverlapModel with_lanes(1, {.broker = kLanes});
  EXPECT_EQ(with_lanes.run(20'000), "");
  EXPECT_GT(with_lanes.given(), 1'000U);
  EXPECT_GT(with_lanes.rounds(), 5U);
  EXPECT_GT(with_lanes.lanes(), 2U);
}

}  // namespace
}  // namespace famemely::gateway
