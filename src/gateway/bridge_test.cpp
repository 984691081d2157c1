#include "gateway/bridge.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using namespace std::string_literals;
using Texts = std::vector<std::string>;

char byte(std::size_t value) { return static_cast<char>(static_cast<unsigned char>(value)); }

/// A bridge of two workers, and a broker of version 5 whose packets are written by hand.
class BridgeTest : public ::testing::Test {
 protected:
  BridgeTest() : bridge_({.session = {.client_id = "link"}, .workers = 2}, random_, logger_) { bridge_.start(now_); }

  BrokerChannel& live() { return *bridge_.channels()[0]; }

  void connect() {
    ASSERT_TRUE(live().take_open_wish());
    live().on_transport_open(now_);
    live().output().clear();
    receive("\x20\x03\x00\x00\x00"s);
    clear_events();
  }

  /// After a while the broker is back, without the session. The output is what follows CONNECT.
  void reconnect() {
    now_.instant += std::chrono::minutes(1);
    bridge_.on_timer(now_);
    connect();
  }

  /// How many of the packets are SUBSCRIBEs.
  static std::size_t subscribes(std::string_view sent) {
    std::size_t count = 0;
    while (!sent.empty()) {  // each is shorter than 128 bytes
      if (sent[0] == '\x82') ++count;
      sent.remove_prefix(2 + static_cast<std::size_t>(sent[1]));
    }
    return count;
  }

  void receive(const std::string& packets) { live().on_bytes(packets, now_); }

  /// Sends the command, and grants what it asks of the broker; the packets of the broker are appended to the answer.
  std::string suback(WorkerIndex worker, RequestId request, std::string_view filter, std::uint8_t qos) {
    live().output().clear();
    std::vector<LinkCommand> commands;
    commands.emplace_back(SubscribeCommand{worker, request, *mqtt::TopicFilter::parse(filter), qos});
    bridge_.on_commands(commands, now_);
    std::string answers;
    std::string_view sent = live().output();
    while (!sent.empty()) {  // each is shorter than 128 bytes
      EXPECT_EQ(sent[0], '\x82');
      answers += "\x90\x04"s + std::string(sent.substr(2, 2)) + "\x00"s + byte(qos);
      sent.remove_prefix(2 + static_cast<std::size_t>(sent[1]));
    }
    live().output().clear();
    return answers;
  }

  static std::string message(std::string_view topic, std::string_view payload, std::uint8_t number, int qos = 0) {
    std::string body = "\x00"s + byte(topic.size()) + std::string(topic);
    if (qos > 0) body += "\x00\x07"s;
    body += "\x02\x0B"s + byte(number) + std::string(payload);
    return std::string(1, byte(0x30U | static_cast<std::size_t>(qos) << 1)) + byte(body.size()) + body;
  }

  void publish(RequestId request, std::uint8_t qos) {
    std::vector<LinkCommand> commands;
    commands.emplace_back(
        PublishCommand{0, request, OutgoingMessage{.topic = *mqtt::TopicName::parse("t"), .payload = "1", .qos = qos}});
    bridge_.on_commands(commands, now_);
  }

  void clear_events() {
    for (std::size_t worker = 0; worker < 2; ++worker) bridge_.on_handed_over(worker, now_);
  }

  /// What waits for a worker, in order.
  Texts events(std::size_t worker) {
    Texts texts;
    for (const WorkerEvent& event : bridge_.events_for(worker)) {
      if (const auto* delivery = std::get_if<Delivery>(&event)) {
        const std::string bytes(delivery->frame.websocket_bytes());
        const std::size_t at = bytes.find("\"payload\":") + 10;
        texts.push_back("message " + bytes.substr(at, bytes.find(',', at) - at));
      } else if (const auto* granted = std::get_if<SubscribeAnswer>(&event)) {
        texts.push_back("granted " + std::to_string(granted->request));
      } else if (const auto* lost = std::get_if<FilterLost>(&event)) {
        texts.push_back("lost " + std::to_string(lost->error.status()));
      } else if (const auto* taken = std::get_if<PublishAnswer>(&event)) {
        texts.push_back("published " + std::to_string(taken->request) +
                        (taken->error ? " " + std::to_string(taken->error->status()) : ""));
      } else if (const auto* wanted = std::get_if<DisconnectWanted>(&event)) {
        texts.push_back("disconnect " + wanted->sid + (wanted->close_connection ? " and close by " : " by ") +
                        wanted->by);
      } else if (const auto* ending = std::get_if<EndSessions>(&event)) {
        texts.push_back("end " + ending->whose->user_id);
      } else if (const auto* ended = std::get_if<SessionsEnded>(&event)) {
        texts.push_back("ended " + std::to_string(ended->request) + ": " + std::to_string(ended->sockets));
      } else if (const auto* status = std::get_if<LinkStatus>(&event)) {
        texts.emplace_back(status->is_connected ? "up" : "down");
      }
    }
    return texts;
  }

  testing::SeededRandom random_;
  testing::WarningLogger logger_;
  Bridge bridge_;
  Now now_{Instant{} + std::chrono::hours(1), WallTime{}};
};

TEST_F(BridgeTest, ASubscriberKnowsOfItsFilterBeforeTheMessagesThatFollow) {
  connect();
  receive(suback(0, 5, "a", 0) + message("a", "1", 1));
  EXPECT_EQ(events(0), (Texts{"granted 5", "message 1"}));
  EXPECT_EQ(events(1), Texts{}) << "a worker without members is not woken";
}

TEST_F(BridgeTest, WhatFetchesRetainedMessagesSpeaksTheVersionOfTheLink) {
  connect();
  receive(suback(0, 5, "a", 0));
  BrokerChannel& fetcher = *bridge_.channels()[1];
  std::vector<LinkCommand> commands;
  commands.emplace_back(RetainedCommand{.worker = 0, .request = 1, .filter = 1, .joined_at = 0});
  bridge_.on_commands(commands, now_);
  ASSERT_TRUE(fetcher.take_open_wish());
  // Brokers that do not speak 5 may end the connection without a word; this one has accepted it.
  for (int i = 0; i < 2; ++i) {
    fetcher.output().clear();
    fetcher.on_transport_open(now_);
    EXPECT_TRUE(fetcher.output().substr(4).starts_with("MQTT\x05")) << i;
    fetcher.on_transport_closed("cut", now_);
  }
}

TEST_F(BridgeTest, AFilterThatTheBrokerCannotHaveIsRefusedAlone) {
  ASSERT_TRUE(live().take_open_wish());
  live().on_transport_open(now_);
  live().output().clear();
  receive("\x20\x07\x00\x00\x04\x28\x00\x29\x00"s);  // neither wildcards nor subscription identifiers
  clear_events();
  live().output().clear();
  std::vector<LinkCommand> commands;
  for (const char* filter : {"plain/a", "wild/+", "plain/b"})
    commands.emplace_back(SubscribeCommand{0, commands.size() + 1, *mqtt::TopicFilter::parse(filter), 0});
  bridge_.on_commands(commands, now_);
  std::string answers;
  for (const char* filter : {"plain/a", "plain/b"}) {
    const std::size_t at = live().output().find(filter);
    ASSERT_NE(at, std::string::npos) << filter;
    answers += "\x90\x04"s + live().output().substr(at - 5, 2) + "\x00\x00"s;
  }
  EXPECT_EQ(live().output().find("wild"), std::string::npos);
  receive(answers);
  std::vector<std::pair<RequestId, bool>> answered;
  for (const WorkerEvent& event : bridge_.events_for(0))
    if (const auto* answer = std::get_if<SubscribeAnswer>(&event))
      answered.emplace_back(answer->request, answer->outcome.has_value());
  std::ranges::sort(answered);
  EXPECT_EQ(answered, (std::vector<std::pair<RequestId, bool>>{{1, true}, {2, false}, {3, true}}));
}

TEST_F(BridgeTest, OnlyTheLeadersCopyIsDelivered) {
  connect();
  receive(suback(0, 1, "s/#", 0));
  receive(suback(1, 2, "s/t", 0));
  clear_events();
  receive(message("s/t", "1", 1) + message("s/t", "1", 2));
  EXPECT_EQ(events(0), Texts{"message 1"});
  EXPECT_EQ(events(1), Texts{"message 1"});
  EXPECT_EQ(bridge_.counters().copies_dropped, 1U);
}

TEST_F(BridgeTest, AStaleCopyIsDropped) {
  connect();
  receive(message("nobody/holds/this", "1", 9));
  EXPECT_EQ(events(0), Texts{});
  EXPECT_EQ(bridge_.counters().copies_dropped, 1U);
}

TEST_F(BridgeTest, NoFenceGoesToClientsNotEvenOneOfAnotherGateway) {
  connect();
  receive(suback(0, 1, "famemely/#", 0));
  clear_events();
  receive(message("famemely/fence/link", "1", 1) + message("famemely/fence/another", "2", 1) +
          message("famemely/chat", "3", 1));
  EXPECT_EQ(events(0), Texts{"message 3"});
}

TEST_F(BridgeTest, AcknowledgesOnceEveryWorkerHasTheMessage) {
  connect();
  receive(suback(0, 1, "a", 1));
  receive(suback(1, 2, "a", 1));
  clear_events();
  receive(message("a", "1", 1, 1));
  EXPECT_EQ(live().output(), "");
  bridge_.on_handed_over(0, now_);
  EXPECT_EQ(live().output(), "");
  bridge_.on_handed_over(1, now_);
  EXPECT_EQ(live().output().substr(0, 1), "\x40") << "PUBACK";
}

TEST_F(BridgeTest, AQos0PublishIsAnsweredOnceItIsWritten) {
  connect();
  live().on_written(0, now_);
  publish(7, 0);
  EXPECT_EQ(events(0), Texts{});
  live().on_written(live().output().size() - 1, now_);
  EXPECT_EQ(events(0), Texts{}) << "not all of it";
  live().on_written(1'000'000, now_);
  EXPECT_EQ(events(0), Texts{"published 7"});
}

TEST_F(BridgeTest, APublishWithoutBrokerIsRefusedAtOnce) {
  clear_events();
  publish(7, 1);
  EXPECT_EQ(events(0), Texts{"published 7 503"});
}

TEST_F(BridgeTest, AnUnacknowledgedPublishIsAnsweredAfterThirtySeconds) {
  connect();
  publish(7, 1);
  EXPECT_EQ(events(0), Texts{});
  now_.instant += std::chrono::seconds(30);
  receive("\xD0\x00"s);  // PINGRESP: the broker lives
  bridge_.on_timer(now_);
  const Texts answers = events(0);
  EXPECT_NE(std::ranges::find(answers, "published 7 504"), answers.end());
}

TEST_F(BridgeTest, ARefusedPublishNamesTheCodeAndGivesTheBrokersReason) {
  connect();
  publish(7, 1);
  const std::string packet_id = live().output().substr(5, 2);  // after the head and the topic "t"
  receive("\x40\x08"s + packet_id + "\x87\x04\x1F\x00\x01z"s);
  const auto* answer = std::get_if<PublishAnswer>(&bridge_.events_for(0).front());
  ASSERT_TRUE(answer && answer->error);
  EXPECT_EQ(answer->error->text(), "Failed to publish: Not authorized: z");
}

TEST_F(BridgeTest, ALostConnectionIsToldAndTriedAgain) {
  connect();
  publish(7, 0);
  now_.instant += std::chrono::seconds(5);
  live().on_transport_closed("gone", now_);
  EXPECT_EQ(events(0), (Texts{"published 7 503", "down"}));
  EXPECT_TRUE(live().take_open_wish()) << "at once after a connection that lasted";
  live().on_transport_closed("refused", now_);
  EXPECT_FALSE(live().take_open_wish());
  EXPECT_LE(bridge_.next_deadline(), now_.instant + std::chrono::seconds(1));
}

TEST_F(BridgeTest, AConnectionThatWeEndIsOneFailure) {
  connect();
  now_.instant += std::chrono::seconds(5);
  receive("\xF0\x00"s);  // AUTH, which was not asked for
  EXPECT_TRUE(live().take_close_wish());
  live().on_transport_closed("", now_);
  EXPECT_EQ(events(0), Texts{"down"});
  EXPECT_TRUE(live().take_open_wish()) << "at once after a connection that lasted";
}

TEST_F(BridgeTest, AfterDisconnectNothingIsOpened) {
  connect();
  bridge_.disconnect(now_);
  EXPECT_EQ(live().output().substr(0, 1), "\xE0") << "DISCONNECT";
  live().on_transport_closed("", now_);
  EXPECT_FALSE(live().take_open_wish());
}

TEST_F(BridgeTest, ASubscriptionOutlivesABrokerThatGoesForReasonsOfItsOwn) {
  connect();
  receive(suback(0, 1, "a", 1));
  live().on_transport_closed("gone", now_);
  for (int again = 0; again < 4; ++again) {
    reconnect();
    EXPECT_EQ(subscribes(live().output()), 1U) << again;
    clear_events();
    receive("\xE0\x01\x8B"s);  // DISCONNECT: the server is shutting down
    EXPECT_TRUE(live().take_close_wish());
    live().on_transport_closed("", now_);
    EXPECT_EQ(events(0), Texts{"down"}) << again;
  }
}

TEST_F(BridgeTest, ASubscriptionWithWhichTheConnectionDropsThreeTimesIsTakenAway) {
  connect();
  receive(suback(0, 1, "a", 1));
  live().on_transport_closed("gone", now_);
  for (int again = 0; again < 3; ++again) {
    reconnect();
    clear_events();
    live().on_transport_closed("gone", now_);
  }
  const Texts said = events(0);
  EXPECT_NE(std::ranges::find(said, "lost 502"), said.end());
}

TEST_F(BridgeTest, LetsEveryWorkerLookForASocketThatIsToGo) {
  std::vector<LinkCommand> commands;
  commands.emplace_back(DisconnectCommand{0, "a-sid", true, "root"});
  bridge_.on_commands(commands, now_);
  for (std::size_t worker = 0; worker < 2; ++worker)
    EXPECT_EQ(events(worker).back(), "disconnect a-sid and close by root") << worker;
}

TEST_F(BridgeTest, AddsUpWhatAllWorkersHaveEnded) {
  std::vector<LinkCommand> commands;
  commands.emplace_back(EndSessionsCommand{1, 7, {.user_id = "alice"}});
  bridge_.on_commands(commands, now_);
  std::uint64_t ending = 0;
  for (std::size_t worker = 0; worker < 2; ++worker) {
    EXPECT_EQ(events(worker).back(), "end alice") << worker;
    ending = std::get<EndSessions>(bridge_.events_for(worker).back()).ending;
  }
  commands.clear();
  commands.emplace_back(EndSessionsReply{0, ending, 2});
  bridge_.on_commands(commands, now_);
  EXPECT_EQ(events(1).back(), "end alice") << "one worker has not said";
  commands.clear();
  commands.emplace_back(EndSessionsReply{1, ending, 3});
  bridge_.on_commands(commands, now_);
  EXPECT_EQ(events(1).back(), "ended 7: 5");
}

}  // namespace
}  // namespace famemely::gateway
