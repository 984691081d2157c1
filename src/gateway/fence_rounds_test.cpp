#include "gateway/fence_rounds.hpp"

#include <gtest/gtest.h>

#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using Texts = std::vector<std::string>;

class FenceRoundsTest : public ::testing::Test {
 protected:
  FenceRoundsTest() { fences_.on_connected(0, false, now_); }

  void begin() {
    fences_.want();
    if (fences_.take_subscribe(0)) fences_.on_subscribed(0, true, now_);
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

  /// The connection ends, and the next one resumes the session.
  void drop(bool blames_us) {
    fences_.on_disconnected(0, blames_us, now_);
    fences_.on_connected(0, true, now_);
  }
  /// The same with a SUBSCRIBE unanswered.
  void lose_subscribe() {
    fences_.on_disconnected(0, true, now_);
    fences_.on_subscribe_lost(0);
    fences_.on_connected(0, true, now_);
  }

  testing::WarningLogger logger_;
  FenceRounds fences_{{"own", "other"}, logger_};
  Instant now_ = Instant{} + std::chrono::hours(1);
};

TEST_F(FenceRoundsTest, SubscribesWhenTheFirstRoundIsWanted) {
  EXPECT_EQ(fences_.take_subscribe(0), std::nullopt);
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(0), "own");
  EXPECT_FALSE(fences_.ready());
  fences_.on_subscribed(0, true, now_);
  EXPECT_TRUE(fences_.ready());
}

TEST_F(FenceRoundsTest, EndsWhenBothStreamsHaveBroughtTheirs) {
  begin();
  EXPECT_EQ(published(), (Texts{"own 1 0", "own 1 1"}));
  EXPECT_TRUE(fences_.on_message(0, "1", 0));
  EXPECT_FALSE(fences_.on_message(0, "1", 0)) << "the first one counts";
  EXPECT_FALSE(fences_.take_finished());
  EXPECT_TRUE(fences_.on_message(0, "1", 1));
  EXPECT_TRUE(fences_.take_finished());
  EXPECT_FALSE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, AnotherRoundsFenceIsNone) {
  begin();
  EXPECT_FALSE(fences_.on_message(0, "0", 0));
  EXPECT_FALSE(fences_.on_message(0, "2", 0));
}

TEST_F(FenceRoundsTest, OneRoundIsOpenAtATime) {
  begin();
  fences_.want();
  EXPECT_FALSE(fences_.ready());
  (void)fences_.on_message(0, "1", 0);
  (void)fences_.on_message(0, "1", 1);
  EXPECT_TRUE(fences_.ready());
}

TEST_F(FenceRoundsTest, ALostFenceOfQos0IsSentAgain) {
  begin();
  (void)fences_.on_message(0, "1", 1);
  (void)published();
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_EQ(published(), Texts{"own 1 0"});
}

TEST_F(FenceRoundsTest, TheOtherTopicIsTriedWhenTheFirstFenceStaysAway) {
  begin();
  (void)published();
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_EQ(fences_.take_subscribe(0), "other");
  fences_.on_subscribed(0, true, now_);
  EXPECT_EQ(published(), (Texts{"other 1 0", "other 1 1"}));
  EXPECT_TRUE(fences_.available());
  wait(FenceRounds::kFirstFenceTimeout);
  EXPECT_FALSE(fences_.available());
  EXPECT_EQ(logger_.warnings, (Texts{"fence topic does not work", "no fences"}));
}

TEST_F(FenceRoundsTest, ARefusedTopicIsLeftAtOnce) {
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(0), "own");
  fences_.on_subscribed(0, false, now_);
  EXPECT_EQ(fences_.take_subscribe(0), "other");
  fences_.on_subscribed(0, false, now_);
  EXPECT_FALSE(fences_.available());
  EXPECT_EQ(fences_.take_subscribe(0), std::nullopt);
}

TEST_F(FenceRoundsTest, AFenceThatComesAfterAllMakesThemAvailable) {
  begin();
  wait(FenceRounds::kFirstFenceTimeout);
  (void)fences_.take_subscribe(0);
  fences_.on_subscribed(0, true, now_);
  wait(FenceRounds::kFirstFenceTimeout);
  ASSERT_FALSE(fences_.available());
  EXPECT_TRUE(fences_.on_message(0, "1", 0));
  EXPECT_TRUE(fences_.available());
}

TEST_F(FenceRoundsTest, OnResumeARoundWithoutAnyFenceSendsThatOfQos0Again) {
  begin();
  (void)published();
  fences_.on_disconnected(0, false, now_);
  fences_.on_connected(0, true, now_);
  EXPECT_EQ(published(), Texts{"own 1 0"}) << "the other one is the session's to send again";
  EXPECT_TRUE(fences_.open());
}

TEST_F(FenceRoundsTest, OnResumeTheFenceOfQos1IsEnough) {
  begin();
  (void)fences_.on_message(0, "1", 1);
  fences_.on_disconnected(0, false, now_);
  fences_.on_connected(0, true, now_);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, OnResumeTheFenceOfQos1IsWaitedFor) {
  begin();
  (void)fences_.on_message(0, "1", 0);
  fences_.on_disconnected(0, false, now_);
  fences_.on_connected(0, true, now_);
  EXPECT_FALSE(fences_.take_finished());
  (void)fences_.on_message(0, "1", 1);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(FenceRoundsTest, ALostSessionEndsTheRound) {
  begin();
  fences_.on_disconnected(0, false, now_);
  fences_.on_connected(0, false, now_);
  EXPECT_TRUE(fences_.take_finished());
  fences_.want();
  EXPECT_EQ(fences_.take_subscribe(0), "own");
}

TEST_F(FenceRoundsTest, ATopicOverWhichConnectionsEndIsLeft) {
  begin();
  fences_.on_publish_begun("own");
  for (std::size_t i = 0; i < FenceRounds::kPublishDropsMax; ++i) {
    EXPECT_EQ(fences_.take_subscribe(0), std::nullopt);
    drop(true);
  }
  EXPECT_EQ(fences_.take_subscribe(0), "other");
  fences_.on_subscribed(0, true, now_);
  (void)fences_.on_message(0, "1", 0);
  (void)fences_.on_message(0, "1", 1);
  EXPECT_TRUE(fences_.take_finished());
  EXPECT_TRUE(fences_.available());
  EXPECT_EQ(logger_.warnings, Texts{"fence topic does not work"});
}

TEST_F(FenceRoundsTest, WhereNeitherTopicKeepsTheConnectionNothingIsSentAnyMore) {
  fences_.want();
  for (const char* topic : {"own", "other"})
    for (std::size_t i = 0; i < FenceRounds::kSubscribeDropsMax; ++i) {
      EXPECT_EQ(fences_.take_subscribe(0), topic);
      lose_subscribe();
    }
  EXPECT_FALSE(fences_.available());
  for (const bool session_present : {true, false}) {
    fences_.on_disconnected(0, true, now_);
    fences_.on_connected(0, session_present, now_);
    fences_.want();
    EXPECT_EQ(fences_.take_subscribe(0), std::nullopt);
    wait(FenceRounds::kFirstFenceTimeout);
    EXPECT_EQ(published(), Texts{});
  }
  EXPECT_EQ(logger_.warnings, (Texts{"fence topic does not work", "no fences"}));
}

TEST_F(FenceRoundsTest, LaterANewSessionTriesOnceMoreAndOneDropIsEnough) {
  fences_.want();
  for (std::size_t i = 0; i < 2 * FenceRounds::kSubscribeDropsMax; ++i) {
    (void)fences_.take_subscribe(0);
    lose_subscribe();
  }
  ASSERT_FALSE(fences_.available());
  now_ += FenceRounds::kTriedAgainAfter;
  fences_.on_disconnected(0, false, now_);
  fences_.on_connected(0, false, now_);
  for (const char* topic : {"own", "other"}) {
    fences_.want();
    EXPECT_EQ(fences_.take_subscribe(0), topic);
    lose_subscribe();
  }
  EXPECT_FALSE(fences_.available());
}

TEST_F(FenceRoundsTest, ConnectionsThatTheBrokerEndsForReasonsOfItsOwnAreNotCounted) {
  begin();
  fences_.on_publish_begun("own");
  for (std::size_t i = 0; i < 2 * FenceRounds::kPublishDropsMax; ++i) drop(false);
  EXPECT_EQ(logger_.warnings, Texts{});
}

TEST_F(FenceRoundsTest, AFenceThatTheBrokerTakesClearsItsTopic) {
  begin();
  for (std::size_t i = 0; i < 2 * FenceRounds::kPublishDropsMax; ++i) {
    fences_.on_publish_begun("own");
    drop(true);
    fences_.on_publish_over("own", true);
  }
  EXPECT_EQ(logger_.warnings, Texts{});
}

TEST_F(FenceRoundsTest, DropsWhileAFenceOfTheOldTopicIsSentAgainAreNotTheNewOnes) {
  begin();
  fences_.on_publish_begun("own");
  for (std::size_t i = 0; i < 2 * FenceRounds::kPublishDropsMax; ++i) drop(true);
  EXPECT_EQ(logger_.warnings, Texts{"fence topic does not work"});
  fences_.on_publish_over("own", false);
  fences_.on_publish_begun("other");
  for (std::size_t i = 0; i < FenceRounds::kPublishDropsMax; ++i) drop(true);
  EXPECT_FALSE(fences_.available());
}

TEST_F(FenceRoundsTest, KnowsTheFenceWhereDotsHaveBecomeSlashes) {
  FenceRounds fences({"a.b/fence", "other"}, logger_);
  EXPECT_TRUE(fences.is_fence("a.b/fence"));
  EXPECT_TRUE(fences.is_fence("a/b/fence"));
  EXPECT_FALSE(fences.is_fence("a/b"));
}

/// Two lanes; the round is open.
class TwoLanesTest : public FenceRoundsTest {
 protected:
  TwoLanesTest() {
    fences_.on_connected(1, false, now_);
    fences_.want();
    for (const LaneIndex lane : std::vector<LaneIndex>{0, 1}) {
      EXPECT_EQ(fences_.take_subscribe(lane), "own");
      EXPECT_FALSE(fences_.ready());
      fences_.on_subscribed(lane, true, now_);
    }
    EXPECT_TRUE(fences_.ready());
    fences_.begin(now_);
    (void)published();
  }
};

TEST_F(TwoLanesTest, ARoundGoesThroughBoth) {
  (void)fences_.on_message(0, "1", 0);
  (void)fences_.on_message(0, "1", 1);
  EXPECT_TRUE(fences_.passed(0, Stream::qos_0));
  EXPECT_FALSE(fences_.passed(1, Stream::qos_0));
  (void)fences_.on_message(1, "1", 0);
  EXPECT_FALSE(fences_.take_finished());
  (void)fences_.on_message(1, "1", 1);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(TwoLanesTest, ALaneThatIsResumedIsMuteAtQos0UntilAFenceComes) {
  (void)fences_.on_message(0, "1", 0);
  fences_.on_disconnected(1, false, now_);
  fences_.on_connected(1, true, now_);
  EXPECT_TRUE(fences_.mutes_qos_0(1));
  EXPECT_FALSE(fences_.mutes_qos_0(0));
  (void)fences_.on_message(1, "1", 0);
  EXPECT_FALSE(fences_.mutes_qos_0(1));
  (void)fences_.on_message(0, "1", 1);
  (void)fences_.on_message(1, "1", 1);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(TwoLanesTest, ALaneThatHasLostItsSessionIsOut) {
  (void)fences_.on_message(0, "1", 0);
  (void)fences_.on_message(0, "1", 1);
  fences_.on_disconnected(1, false, now_);
  EXPECT_TRUE(fences_.open());
  fences_.on_connected(1, false, now_);
  EXPECT_TRUE(fences_.take_finished());
}

TEST_F(TwoLanesTest, ARestartOfTheBrokerIsOneDropOfEachLane) {
  for (std::size_t i = 1; i < FenceRounds::kPublishDropsMax; ++i) {
    for (const LaneIndex lane : std::vector<LaneIndex>{0, 1}) {
      fences_.on_disconnected(lane, true, now_);
      fences_.on_connected(lane, false, now_);
    }
    fences_.want();
    for (const LaneIndex lane : std::vector<LaneIndex>{0, 1}) EXPECT_EQ(fences_.take_subscribe(lane), "own");
  }
  EXPECT_EQ(logger_.warnings, Texts{});
}

TEST_F(TwoLanesTest, ALaneThatComesLaterIsNotInTheOpenRound) {
  fences_.on_connected(2, false, now_);
  for (const LaneIndex lane : std::vector<LaneIndex>{0, 1})
    for (const std::uint8_t qos : std::vector<std::uint8_t>{0, 1}) (void)fences_.on_message(lane, "1", qos);
  EXPECT_TRUE(fences_.take_finished());
  fences_.want();
  EXPECT_FALSE(fences_.ready()) << "it is in the next one";
}

}  // namespace
}  // namespace famemely::gateway
