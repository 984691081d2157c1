#include "famemely/service_worker.hpp"

#include <gtest/gtest.h>

#include <string>

namespace famemely {
namespace {

using gateway::Granted;
using gateway::LinkStatus;
using gateway::ReleaseCommand;
using gateway::RetainedCommand;
using gateway::SubscribeAnswer;
using gateway::SubscribeCommand;

mqtt::TopicFilter filter(const char* text) { return mqtt::TopicFilter::parse(text).value(); }

class ServiceWorkerTest : public testing::Test {
 protected:
  ServiceWorkerTest() {
    worker_.begin();
    tell(LinkStatus{.is_connected = true, .client_id = "c"});
  }

  void tell(gateway::WorkerEvent event) {
    worker_.on_link_event(event, WallTime(), calls_);
    for (auto& answer : worker_.take_answers()) answer();
  }
  void add_handler(HolderId id, const char* text) {
    worker_.add_handler(id, filter(text), {}, std::make_shared<RegisteredHandler>([](const MqttMessage&) {}),
                        [this](Result<std::uint8_t, Error> granted) {
                          answers_.push_back(granted ? std::to_string(*granted) : granted.error().message);
                        });
  }
  /// The only command of that kind since the last look.
  template <typename Command>
  std::optional<Command> command() {
    std::optional<Command> found;
    for (auto& command : std::exchange(worker_.commands(), {}))
      if (auto* right = std::get_if<Command>(&command)) {
        EXPECT_FALSE(found);
        found = std::move(*right);
      }
    return found;
  }
  void deliver(gateway::MessageSequence sequence, gateway::FilterId id) {
    tell(gateway::Delivery{{},
                           std::make_shared<gateway::MatchedTopic>(gateway::MatchedTopic{"t", {id}}),
                           sequence,
                           0,
                           2,
                           gateway::Overtaking::no});
  }

  ServiceWorker worker_;
  std::vector<Call> calls_;
  std::vector<std::string> answers_;
};

TEST_F(ServiceWorkerTest, GivesAHandlerNothingFromBeforeItsGrantThoughItIsToldLate) {
  add_handler(1, "t");
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 1, 1, 10}});
  deliver(10, 7);
  EXPECT_TRUE(calls_.empty());
  deliver(11, 7);
  ASSERT_EQ(calls_.size(), 1U);
  EXPECT_EQ(std::get<MessageCall>(calls_[0]).receivers.at(0).qos, 1);
  EXPECT_EQ(answers_, std::vector<std::string>{"1"});
}

TEST_F(ServiceWorkerTest, FetchesRetainedMessagesForEachHandler) {
  add_handler(1, "t");
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 2, 1, 0}});
  EXPECT_TRUE(command<RetainedCommand>());
  add_handler(2, "t");
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 2, 2, 5}});
  EXPECT_EQ(command<RetainedCommand>()->joined_at, 5U);
}

TEST_F(ServiceWorkerTest, AsksAgainForAHandlerOnceThereIsAConnection) {
  add_handler(1, "t");
  const auto first = command<SubscribeCommand>();
  tell(LinkStatus{.is_connected = false, .client_id = "c"});
  tell(SubscribeAnswer{first->request, failure(Error{ErrorCode::unavailable, "away"})});
  EXPECT_TRUE(answers_.empty());
  EXPECT_FALSE(command<SubscribeCommand>());
  tell(LinkStatus{.is_connected = true, .client_id = "c"});
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 2, 1, 0}});
  EXPECT_EQ(answers_, std::vector<std::string>{"2"});
}

TEST_F(ServiceWorkerTest, AsksAgainForWhatTheBrokerTookBack) {
  add_handler(1, "t");
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 2, 1, 0}});
  tell(gateway::FilterLost{7, Error{ErrorCode::forbidden, "no"}});
  EXPECT_EQ(worker_.counts().granted_filters, 0U);
  static_cast<void>(command<RetainedCommand>());
  tell(LinkStatus{.is_connected = true, .client_id = "c"});
  EXPECT_TRUE(command<SubscribeCommand>());
}

TEST_F(ServiceWorkerTest, ReleasesAFilterThatWasGivenUpBeforeItsAnswerCame) {
  add_handler(1, "t");
  const auto asked = command<SubscribeCommand>();
  worker_.remove_handler(1);
  EXPECT_FALSE(command<ReleaseCommand>());
  tell(SubscribeAnswer{asked->request, Granted{7, 2, 1, 0}});
  const auto release = command<ReleaseCommand>();
  ASSERT_TRUE(release);
  EXPECT_EQ(release->filter, 7U);
  EXPECT_EQ(worker_.counts().filters, 0U);
}

TEST_F(ServiceWorkerTest, KeepsAFilterThatOthersHold) {
  add_handler(1, "t");
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 2, 1, 0}});
  worker_.subscribe(filter("t"), 1, [](const Result<std::uint8_t, Error>&) {});
  tell(SubscribeAnswer{command<SubscribeCommand>()->request, Granted{7, 1, 2, 0}});
  worker_.remove_handler(1);
  EXPECT_FALSE(command<ReleaseCommand>());
  worker_.unsubscribe(filter("t"), [](std::optional<Error>) {});
  EXPECT_TRUE(command<ReleaseCommand>());
}

TEST_F(ServiceWorkerTest, AnswersEverythingWhenTheLinkEndsAndAsksTheNextOneForItsHandlers) {
  add_handler(1, "handled");
  std::vector<std::string> ends;
  worker_.subscribe(filter("t"), 1,
                    [&](Result<std::uint8_t, Error> granted) { ends.push_back(granted.error().message); });
  worker_.publish({.topic = mqtt::TopicName::parse("t").value(), .payload = "", .qos = 1},
                  [&](const std::optional<Error>& error) { ends.push_back(error->message); });
  worker_.end(Error{ErrorCode::unavailable, "the end"});
  for (auto& answer : worker_.take_answers()) answer();
  EXPECT_EQ(ends, std::vector<std::string>(2, "the end"));
  EXPECT_TRUE(answers_.empty());

  worker_.begin();
  EXPECT_EQ(command<SubscribeCommand>()->filter, filter("handled"));
}

}  // namespace
}  // namespace famemely
