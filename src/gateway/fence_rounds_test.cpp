#include "gateway/fence_rounds.hpp"

#include <gtest/gtest.h>

#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using Texts = std::vector<std::string>;

class FenceRoundsTest : public ::testing::Test {
 protected:
  FenceRoundsTest() { fences_.on_connected(false, now_); }

  void begin() {
    fences_.want();
    if (fences_.take_subscribe()) fences_.on_subscribed(true, now_);
    ASSERT_TRUE(fences_.ready());
    fences_.begin(now_);
  }
  /// What is published since the last call, as `topic payload qos`.
  Texts published() {
    Texts texts;
    for (const auto& each : std::exchange(fences_.publishes(), {}))
      texts.push_back(each.topic + " " + each.payload + " " + std::to_string(each.qos));
    return texts;
  }
  void wait(Duration duration) {
    now_ += duration;
    fences_.on_timer(now_);
  }

  testing::WarningLogger logger_;
  FenceRounds fences_{"own", "other", logger_};
  Instant now_ = Instant{} + std::chrono::hours(1);
};

TEST_F(FenceRoundsTest, SubscribesWhenTheFirstRoundIsWanted) {
  EXPECT_EQ(fences_.take_subscribe(), std::nullopt);
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(), "own");
  EXPECT_FALSE(fences_.ready());
  fences_.on_subscribed(true, now_);
  EXPECT_TRUE(fences_.ready());
}

TEST_F(FenceRoundsTest, EndsWhenBothStreamsHaveBroughtTheirs) {
  begin();
  EXPECT_EQ(published(), (Texts{"own 1 0", "own 1 1"}));
  EXPECT_EQ(fences_.on_message("1", 0), Stream::qos_0);
  EXPECT_EQ(fences_.on_message("1", 0), std::nullopt) << "the first one counts";
  EXPECT_FALSE(fences_.take_finished());
  EXPECT_EQ(fences_.on_message("1", 1), Stream::qos_1_and_2);
  EXPECT_TRUE(fences_.take_finished());
  EXPECT_FALSE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, AnotherRoundsFenceIsNone) {
  begin();
  EXPECT_EQ(fences_.on_message("0", 0), std::nullopt);
  EXPECT_EQ(fences_.on_message("2", 0), std::nullopt);
}

TEST_F(FenceRoundsTest, OneRoundIsOpenAtATime) {
  begin();
  fences_.want();
  EXPECT_FALSE(fences_.ready());
  (void)fences_.on_message("1", 0);
  (void)fences_.on_message("1", 1);
  EXPECT_TRUE(fences_.ready());
}

TEST_F(FenceRoundsTest, ALostFenceOfQos0IsSentAgain) {
  begin();
  (void)fences_.on_message("1", 1);
  (void)published();
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_EQ(published(), Texts{"own 1 0"});
}

TEST_F(FenceRoundsTest, TheOtherTopicIsTriedWhenTheFirstFenceStaysAway) {
  begin();
  (void)published();
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_EQ(fences_.take_subscribe(), "other");
  fences_.on_subscribed(true, now_);
  EXPECT_EQ(published(), (Texts{"other 1 0", "other 1 1"}));
  EXPECT_TRUE(fences_.available());
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_FALSE(fences_.available());
  EXPECT_EQ(logger_.warnings, (Texts{"fence topic does not work", "no fences"}));
}

TEST_F(FenceRoundsTest, ARefusedTopicIsLeftAtOnce) {
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(), "own");
  fences_.on_subscribed(false, now_);
  EXPECT_EQ(fences_.take_subscribe(), "other");
  fences_.on_subscribed(false, now_);
  EXPECT_FALSE(fences_.available());
  EXPECT_EQ(fences_.take_subscribe(), std::nullopt);
}

TEST_F(FenceRoundsTest, AFenceThatComesAfterAllMakesThemAvailable) {
  begin();
  wait(FenceRounds::kFirstFenceTimeout);
  (void)fences_.take_subscribe();
  fences_.on_subscribed(true, now_);
  wait(FenceRounds::kFirstFenceTimeout);
  ASSERT_FALSE(fences_.available());
  EXPECT_EQ(fences_.on_message("1", 0), Stream::qos_0);
  EXPECT_TRUE(fences_.available());
}

TEST_F(FenceRoundsTest, OnResumeARoundWithoutAnyFenceIsAbandoned) {
  begin();
  fences_.on_disconnected();
  fences_.on_connected(true, now_);
  EXPECT_TRUE(fences_.take_abandoned());
  fences_.want();
  EXPECT_TRUE(fences_.ready()) << "the subscription is there still";
}

TEST_F(FenceRoundsTest, OnResumeTheFenceOfQos1IsEnough) {
  begin();
  (void)fences_.on_message("1", 1);
  fences_.on_disconnected();
  fences_.on_connected(true, now_);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, OnResumeTheFenceOfQos1IsWaitedFor) {
  begin();
  (void)fences_.on_message("1", 0);
  fences_.on_disconnected();
  fences_.on_connected(true, now_);
  EXPECT_FALSE(fences_.take_finished());
  EXPECT_FALSE(fences_.take_abandoned());
  (void)fences_.on_message("1", 1);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, ALostSessionBeginsAnew) {
  begin();
  fences_.on_disconnected();
  fences_.on_connected(false, now_);
  EXPECT_TRUE(fences_.take_abandoned());
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(), "own");
}

}  // namespace
}  // namespace famemely::gateway
