#include "famemely/mqtt_service.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "test_broker.hpp"

namespace famemely {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// What the handlers of a test have been given, from whatever thread.
class Received {
 public:
  MessageHandler handler() {
    return [this](const MqttMessage& message) { add(message.topic + "=" + message.payload); };
  }
  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(std::move(text));
  }
  [[nodiscard]] std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  [[nodiscard]] bool reaches(std::size_t count) const {
    return eventually([&] { return all().size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

/// The log of a service, kept.
class Log {
 public:
  LogWriter writer() {
    return [this](const LogLine& line) {
      std::string text(line.event);
      for (const auto& [name, value] : line.fields) text.append(" ").append(name).append("=").append(value);
      lines_.add(std::move(text));
    };
  }
  [[nodiscard]] std::vector<std::string> lines() const { return lines_.all(); }

 private:
  Received lines_;
};

class MqttServiceTest : public testing::Test {
 protected:
  [[nodiscard]] MqttServiceOptions options() {
    return {.url = broker_.url(), .reconnect_min = 50ms, .reconnect_max = 200ms, .log = log_.writer()};
  }
  /// A registration that the broker has granted.
  static MessageHandlerRegistration granted(MqttService& service, const std::string& filter, MessageHandler handler) {
    auto registration = service.register_message_handler(filter, std::move(handler));
    const auto subscribed = registration.subscribed();
    if (subscribed.wait_for(20s) != std::future_status::ready) throw std::runtime_error("not subscribed");
    subscribed.get();
    return registration;
  }

  TestBroker broker_;
  Log log_;
};

int code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const MqttError& error) {
    return error.code();
  }
  return 0;
}

std::string fault_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const MqttError& error) {
    return error.what();
  }
  return "";
}

std::size_t entries(const char* folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

// --- publishing and handlers ---

TEST_F(MqttServiceTest, GivesAHandlerWhatIsPublishedAtEachQualityOfService) {
  MqttService service(options());
  service.connect().get();
  Received received;
  const auto registration = granted(service, "n/#", received.handler());
  for (std::uint8_t qos = 0; qos <= 2; ++qos)
    service.publish({.topic = fmt::format("n/{}", qos), .payload = "hello", .qos = qos}).get();
  ASSERT_TRUE(received.reaches(3));
  EXPECT_THAT(received.all(), UnorderedElementsAre("n/0=hello", "n/1=hello", "n/2=hello"));
}

TEST_F(MqttServiceTest, GivesBytesQualityOfServiceAndProperties) {
  MqttService service(options());
  service.connect().get();
  std::promise<MqttMessage> arrived;
  const auto registration = granted(service, "bytes", [&](const MqttMessage& message) { arrived.set_value(message); });
  const MqttProperties properties{.content_type = "application/x",
                                  .response_topic = "answers",
                                  .correlation_data = std::string("\0\xff", 2),
                                  .user_properties = {{"a", "1"}, {"a", "2"}}};
  const std::string payload("\0\xfe{", 3);
  service.publish({.topic = "bytes", .payload = payload, .qos = 2, .properties = properties}).get();
  const MqttMessage message = arrived.get_future().get();
  EXPECT_EQ(message.payload, payload);
  EXPECT_EQ(message.qos, 2);
  EXPECT_FALSE(message.retain);
  EXPECT_EQ(message.properties, properties);
  EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - message.received_at), 10s);
}

TEST_F(MqttServiceTest, CallsOverlappingHandlersOnceEach) {
  MqttService service(options());
  service.connect().get();
  Received received;
  std::vector<MessageHandlerRegistration> registrations;
  int number = 0;
  for (const char* filter : {"a/#", "a/+/c", "a/b/c", "#", "a/b/c", "other"}) {
    registrations.push_back(
        granted(service, filter, [&received, number](const MqttMessage&) { received.add(std::to_string(number)); }));
    ++number;
  }
  for (std::uint8_t qos = 0; qos <= 2; ++qos) service.publish({.topic = "a/b/c", .payload = "x", .qos = qos}).get();
  ASSERT_TRUE(received.reaches(15));
  service.publish({.topic = "other", .payload = "last", .qos = 2}).get();
  ASSERT_TRUE(received.reaches(17));
  const auto all = received.all();
  const std::multiset<std::string> counted(all.begin(), all.end());
  EXPECT_EQ(all.size(), 17U);
  for (const char* handler : {"0", "1", "2", "4"}) EXPECT_EQ(counted.count(handler), 3U) << handler;
  EXPECT_EQ(counted.count("3"), 4U);
}

TEST_F(MqttServiceTest, GivesEachNewHandlerTheRetainedMessages) {
  broker_.publish("state/lamp", "on", "-r -q 1");
  MqttService service(options());
  service.connect().get();
  Received first;
  Received second;
  const auto one = granted(service, "state/#", first.handler());
  ASSERT_TRUE(first.reaches(1));
  bool retain = false;
  std::promise<void> arrived;
  const auto two = granted(service, "state/#", [&](const MqttMessage& message) {
    retain = message.retain;
    second.add(message.payload);
    arrived.set_value();
  });
  arrived.get_future().get();
  EXPECT_TRUE(retain);
  EXPECT_THAT(second.all(), ElementsAre("on"));
  EXPECT_THAT(first.all(), ElementsAre("state/lamp=on"));
}

TEST_F(MqttServiceTest, WorksWithAnyClientId) {
  broker_.publish("state/lamp", "on", "-r -q 1");
  MqttServiceOptions unusual = options();
  unusual.client_id = "gw+1/#";
  MqttService service(unusual);
  service.connect().get();
  Received received;
  const auto registration = granted(service, "state/#", received.handler());
  EXPECT_TRUE(received.reaches(1));
}

TEST_F(MqttServiceTest, UnregistersAHandlerFromWithinIt) {
  MqttService service(options());
  service.connect().get();
  Received received;
  Received all;
  MessageHandlerRegistration once;
  once = granted(service, "t", [&](const MqttMessage& message) {
    received.add(message.payload);
    once.unregister();
  });
  const auto other = granted(service, "t", all.handler());
  for (int i = 0; i < 3; ++i) service.publish({.topic = "t", .payload = std::to_string(i), .qos = 1}).get();
  ASSERT_TRUE(all.reaches(3));
  EXPECT_THAT(received.all(), ElementsAre("0"));
}

TEST_F(MqttServiceTest, WaitsForARunningHandlerWhenItsRegistrationEnds) {
  MqttService service(options());
  service.connect().get();
  std::promise<void> entered;
  std::atomic<bool> left = false;
  auto registration = granted(service, "t", [&](const MqttMessage&) {
    entered.set_value();
    std::this_thread::sleep_for(100ms);
    left = true;
  });
  service.publish({.topic = "t", .payload = "", .qos = 1});
  entered.get_future().get();
  registration.unregister();
  EXPECT_TRUE(left);
}

TEST_F(MqttServiceTest, GivesTheFilterUpWithItsLastHandler) {
  MqttService service(options());
  service.connect().get();
  {
    const auto one = granted(service, "t", [](const MqttMessage&) {});
    const auto two = granted(service, "t", [](const MqttMessage&) {});
    EXPECT_EQ(service.stats().subscriptions, 1U);
    EXPECT_EQ(service.stats().handlers, 2U);
  }
  EXPECT_TRUE(eventually([&] { return service.stats().subscriptions == 0; }));
  EXPECT_EQ(service.stats().handlers, 0U);
}

TEST_F(MqttServiceTest, LogsAHandlerThatThrowsAndCallsTheOthers) {
  MqttService service(options());
  service.connect().get();
  Received received;
  const auto bad = granted(service, "t", [](const MqttMessage&) { throw std::runtime_error("no such user"); });
  const auto worse = granted(service, "t", [](const MqttMessage&) { throw 7; });
  const auto good = granted(service, "t", received.handler());
  service.publish({.topic = "t", .payload = "1", .qos = 1}).get();
  service.publish({.topic = "t", .payload = "2", .qos = 1}).get();
  ASSERT_TRUE(received.reaches(2));
  EXPECT_THAT(received.all(), ElementsAre("t=1", "t=2"));
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("message handler failed topic=t error=no such user")));
  EXPECT_EQ(service.stats().handler_failures, 4U);
}

TEST_F(MqttServiceTest, LetsAHandlerWaitForAPublish) {
  MqttService service(options());
  service.connect().get();
  Received answers;
  const auto registration = granted(service, "ask", [&](const MqttMessage& message) {
    service.publish({.topic = "answer", .payload = message.payload, .qos = 2}).get();
  });
  const auto listener = granted(service, "answer", answers.handler());
  service.publish({.topic = "ask", .payload = "42", .qos = 1}).get();
  ASSERT_TRUE(answers.reaches(1));
  EXPECT_THAT(answers.all(), ElementsAre("answer=42"));
}

TEST_F(MqttServiceTest, LetsAHandlerWaitForAnswersWhileMoreMessagesWaitThanThereIsRoomFor) {
  MqttService service(options());
  MqttService publisher(options());
  service.connect().get();
  publisher.connect().get();
  std::promise<void> flooded;
  std::atomic<int> heard = 0;
  std::atomic<bool> answered = false;
  MessageHandlerRegistration late;
  const auto registration = granted(service, "flood", [&](const MqttMessage&) {
    if (heard++ > 0) return;
    flooded.get_future().get();
    service.publish({.topic = "answer", .payload = "", .qos = 2}).get();
    late = granted(service, "late", [](const MqttMessage&) {});
    answered = true;
  });
  constexpr int kMessages = 80;  // of a megabyte
  std::vector<std::future<void>> futures;
  for (int i = 0; i < kMessages; ++i) {
    futures.push_back(publisher.publish({.topic = "flood", .payload = std::string(1'000'000, 'x'), .qos = 1}));
    if (i % 10 == 9) futures.back().get();
  }
  std::this_thread::sleep_for(200ms);
  flooded.set_value();
  EXPECT_TRUE(eventually([&] { return answered.load(); }));
  EXPECT_TRUE(eventually([&] { return heard == kMessages; })) << heard;
}

TEST_F(MqttServiceTest, CallsCompletionsOnTheThreadOfTheHandlers) {
  MqttService service(options());
  std::promise<std::thread::id> connected;
  service.connect([&](const std::optional<MqttError>& error) {
    EXPECT_FALSE(error);
    connected.set_value(std::this_thread::get_id());
  });
  const std::thread::id thread = connected.get_future().get();
  std::promise<std::pair<int, std::thread::id>> refused;
  service.publish({.topic = "a/#", .payload = ""}, [&](const std::optional<MqttError>& error) {
    refused.set_value({error ? error->code() : 0, std::this_thread::get_id()});
  });
  EXPECT_EQ(refused.get_future().get(), std::pair(400, thread));
  std::promise<bool> published;
  service.publish({.topic = "a", .payload = "", .qos = 1},
                  [&](const std::optional<MqttError>& error) { published.set_value(!error); });
  EXPECT_TRUE(published.get_future().get());
}

// --- subscribe and unsubscribe ---

TEST_F(MqttServiceTest, GivesWhatSubscribeBringsToHandlersThatOnlyListen) {
  MqttService service(options());
  service.connect().get();
  Received received;
  const auto listener = service.register_message_handler("#", received.handler(), {.subscribe = false});
  EXPECT_FALSE(listener.subscribed().valid());
  EXPECT_EQ(service.subscribe("wanted/+", 1).get(), 1);
  service.publish({.topic = "unwanted", .payload = "", .qos = 1}).get();
  service.publish({.topic = "wanted/1", .payload = "x", .qos = 2}).get();
  ASSERT_TRUE(received.reaches(1));
  service.unsubscribe("wanted/+").get();
  ASSERT_TRUE(eventually([&] { return service.stats().subscriptions == 0; }));
  service.publish({.topic = "wanted/1", .payload = "late", .qos = 1}).get();
  EXPECT_EQ(code_of([&] { service.unsubscribe("wanted/+").get(); }), 404);
  EXPECT_THAT(received.all(), ElementsAre("wanted/1=x"));
}

TEST_F(MqttServiceTest, RefusesWhatCantBeRight) {
  MqttService service(options());
  service.connect().get();
  EXPECT_THAT(fault_of([&] { service.publish({.topic = "a/+", .payload = ""}).get(); }), HasSubstr("wildcard"));
  EXPECT_THAT(fault_of([&] { service.publish({.topic = "a", .payload = "", .qos = 3}).get(); }), HasSubstr("0, 1, 2"));
  EXPECT_THAT(fault_of([&] { service.subscribe("a/#/b").get(); }), HasSubstr("#"));
  EXPECT_EQ(code_of([&] { service.subscribe("$share/g/a").get(); }), 400);
  EXPECT_EQ(code_of([&] { static_cast<void>(service.register_message_handler("a#", [](const MqttMessage&) {})); }),
            400);
  EXPECT_EQ(code_of([&] { static_cast<void>(service.register_message_handler("a", nullptr)); }), 400);
}

TEST(MqttServiceOptionsTest, AreCheckedAsTheServersSettingsAre) {
  EXPECT_THAT(fault_of([] { MqttService service({}); }), HasSubstr("no broker is set"));
  EXPECT_THAT(fault_of([] { MqttService service({.url = "http://x"}); }), HasSubstr("MQTT_URL"));
  EXPECT_THAT(fault_of([] { MqttService service({.host = "x", .version = "4"}); }), HasSubstr("MQTT_VERSION"));
  EXPECT_THAT(fault_of([] {
                MqttService service({.host = "x", .settings = {{"MQTT_KEEPALIV", "1"}}});
              }),
              HasSubstr("the nearest is MQTT_KEEPALIVE"));
  EXPECT_THAT(fault_of([] {
                MqttService service({.url = "mqtts://x", .settings = {{"MQTT_CA_FILE", "/nowhere/ca.pem"}}});
              }),
              HasSubstr("/nowhere/ca.pem"));
  EXPECT_THAT(fault_of([] { MqttService service({.host = "managed"}); }), HasSubstr("managed"));
  EXPECT_THAT(fault_of([] {
                MqttService service({.host = "x", .settings = {{"MQTT_FENCE_TOPIC", "$share/g/x"}}});
              }),
              HasSubstr("MQTT_FENCE_TOPIC"));
  EXPECT_THAT(fault_of([] { MqttService service({.host = "x", .client_id = std::string(65'534, 'c')}); }),
              HasSubstr("MQTT_CLIENT_ID"));
}

// --- connections ---

TEST_F(MqttServiceTest, TellsItsStatus) {
  MqttService service(options());
  EXPECT_FALSE(service.connection_status().is_connected);
  service.connect().get();
  const MqttConnectionStatus status = service.connection_status();
  EXPECT_TRUE(status.is_connected);
  EXPECT_TRUE(status.connected_at);
  EXPECT_THAT(status.client_id, testing::StartsWith("famemely_"));
  service.disconnect();
  EXPECT_FALSE(service.connection_status().is_connected);
  EXPECT_EQ(code_of([&] { service.publish({.topic = "a", .payload = ""}).get(); }), 503);
  EXPECT_EQ(code_of([&] { service.subscribe("a").get(); }), 503);
}

TEST_F(MqttServiceTest, KeepsHandlersFromBeforeTheFirstConnectionAndOverDisconnect) {
  Received received;
  MqttService service(options());
  const auto registration = service.register_message_handler("t", received.handler());
  EXPECT_EQ(registration.subscribed().wait_for(0s), std::future_status::timeout);
  service.connect().get();
  registration.subscribed().get();
  service.publish({.topic = "t", .payload = "1", .qos = 1}).get();
  ASSERT_TRUE(received.reaches(1));
  service.disconnect();
  service.connect().get();
  ASSERT_TRUE(eventually([&] { return service.stats().active_subscriptions == 1; }));
  service.publish({.topic = "t", .payload = "2", .qos = 1}).get();
  ASSERT_TRUE(received.reaches(2));
  EXPECT_THAT(received.all(), ElementsAre("t=1", "t=2"));
}

TEST_F(MqttServiceTest, FailsToConnectWithTheReasonAndGoesOnTrying) {
  broker_.stop();
  MqttServiceOptions wanted = options();
  wanted.connect_timeout = 1s;
  MqttService service(wanted);
  const std::string fault = fault_of([&] { service.connect().get(); });
  EXPECT_THAT(fault, HasSubstr("refused"));
  Received received;
  const auto registration = service.register_message_handler("t", received.handler());
  broker_.start();
  registration.subscribed().get();
  EXPECT_TRUE(service.connection_status().is_connected);
}

TEST_F(MqttServiceTest, CompletesEveryPublishOverARestartOfTheBroker) {
  MqttService service(options());
  service.connect().get();
  std::mutex mutex;
  std::map<int, int> seen;  // how often
  // Mosquitto 2.0 keeps a session over its own restart only if the last CONNECT asked for no clean start.
  broker_.stop();
  broker_.start();
  ASSERT_TRUE(eventually([&] { return service.connection_status().is_connected; }));
  const auto registration = granted(service, "n", [&](const MqttMessage& message) {
    const std::lock_guard lock(mutex);
    ++seen[std::stoi(message.payload)];
  });
  std::vector<std::pair<int, std::future<void>>> futures;
  std::atomic<bool> stop = false;
  std::thread publisher([&] {
    for (int i = 0; !stop; ++i) {
      futures.emplace_back(
          i,
          service.publish({.topic = "n", .payload = std::to_string(i), .qos = static_cast<std::uint8_t>(1 + i % 2)}));
      if (i % 20 == 0) std::this_thread::sleep_for(1ms);
    }
  });
  std::this_thread::sleep_for(200ms);
  broker_.stop();
  std::this_thread::sleep_for(100ms);
  broker_.start();
  ASSERT_TRUE(eventually([&] { return service.connection_status().is_connected; }));
  std::this_thread::sleep_for(300ms);
  stop = true;
  publisher.join();

  std::vector<int> taken;
  std::size_t refused = 0;
  for (auto& [number, future] : futures) {
    ASSERT_EQ(future.wait_for(20s), std::future_status::ready) << number;
    try {
      future.get();
      taken.push_back(number);
    } catch (const MqttError& error) {
      EXPECT_EQ(error.code(), 503) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_GT(taken.size(), 100U);
  const auto all_there = [&] {
    const std::lock_guard lock(mutex);
    return std::ranges::all_of(taken, [&](int number) { return seen.contains(number); });
  };
  EXPECT_TRUE(eventually(all_there));
  const std::lock_guard lock(mutex);
  for (const auto& [number, times] : seen) {
    if (number % 2 == 1) {
      EXPECT_EQ(times, 1) << "at quality of service 2: " << number;
    }
  }
}

TEST_F(MqttServiceTest, SubscribesAnewAfterARestartOfTheBroker) {
  MqttService service(options());
  service.connect().get();
  Received received;
  const auto registration = granted(service, "t", received.handler());
  broker_.stop();
  broker_.start();
  ASSERT_TRUE(eventually([&] { return service.connection_status().is_connected; }));
  ASSERT_TRUE(eventually([&] { return service.stats().active_subscriptions == 1; }));
  broker_.publish("t", "after");
  ASSERT_TRUE(received.reaches(1));
  EXPECT_THAT(received.all(), ElementsAre("t=after"));
}

// --- ends ---

TEST_F(MqttServiceTest, IsDestroyedWhileItConnectsAndWithAnswersOutstanding) {
  for (int i = 0; i < 20; ++i) {
    std::future<void> connected;
    std::future<void> published;
    {
      MqttService service(options());
      connected = service.connect();
      if (i % 2 == 0) connected.wait();
      published = service.publish({.topic = "t", .payload = "", .qos = 2});
    }
    EXPECT_EQ(published.wait_for(0s), std::future_status::ready);
    EXPECT_EQ(connected.wait_for(0s), std::future_status::ready);
  }
}

TEST_F(MqttServiceTest, CallsEveryCompletionBeforeItIsGone) {
  std::atomic<int> called = 0;
  {
    MqttService service(options());
    service.connect().get();
    for (int i = 0; i < 100; ++i)
      service.publish({.topic = "t", .payload = "", .qos = 1}, [&](const std::optional<MqttError>&) { ++called; });
  }
  EXPECT_EQ(called, 100);
}

TEST_F(MqttServiceTest, IsDestroyedByAHandler) {
  auto service = std::make_unique<MqttService>(options());
  service->connect().get();
  std::promise<void> gone;
  MqttService& alive = *service;
  const auto registration = granted(alive, "t", [&](const MqttMessage&) {
    service.reset();
    gone.set_value();
  });
  const std::future<void> published = alive.publish({.topic = "t", .payload = "", .qos = 0});
  gone.get_future().get();
  EXPECT_FALSE(service);
}

TEST_F(MqttServiceTest, KeepsTwoServicesOfOneProcessApart) {
  MqttService one(options());
  MqttService two(options());
  one.connect().get();
  two.connect().get();
  Received received;
  const auto registration = granted(two, "t", received.handler());
  one.publish({.topic = "t", .payload = "from one", .qos = 1}).get();
  ASSERT_TRUE(received.reaches(1));
  EXPECT_EQ(one.stats().messages_in, 0U);
  EXPECT_EQ(two.stats().messages_in, 1U);
}

TEST_F(MqttServiceTest, LeavesNoThreadAndNoDescriptorBehind) {
  const auto round = [&] {
    MqttService service(options());
    service.connect().get();
    const auto registration = granted(service, "t", [](const MqttMessage&) {});
    service.publish({.topic = "t", .payload = "", .qos = 1}).get();
    service.disconnect();
    service.connect().get();
  };
  round();
  const std::size_t threads = entries("/proc/self/task");
  const std::size_t descriptors = entries("/proc/self/fd");
  for (int i = 0; i < 5; ++i) round();
  EXPECT_TRUE(eventually([&] { return entries("/proc/self/task") <= threads; }));
  EXPECT_LE(entries("/proc/self/fd"), descriptors);
}

// --- many threads ---

TEST_F(MqttServiceTest, TakesCallsFromManyThreads) {
  MqttService service(options());
  service.connect().get();
  std::atomic<int> heard = 0;
  const auto registration = granted(service, "t/#", [&](const MqttMessage&) { ++heard; });
  std::atomic<int> published = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        const auto own = service.register_message_handler(fmt::format("own/{}", thread), [](const MqttMessage&) {});
        service.publish({.topic = fmt::format("t/{}", thread), .payload = "x", .qos = static_cast<std::uint8_t>(i % 3)})
            .get();
        ++published;
        static_cast<void>(service.stats());
        static_cast<void>(service.connection_status());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(published, 200);
  EXPECT_TRUE(eventually([&] { return heard == 200; })) << heard;
}

}  // namespace
}  // namespace famemely
