#include "gateway/replays.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using Texts = std::vector<std::string>;

std::shared_ptr<const RetainedList> list(const std::vector<std::pair<std::string, MessageSequence>>& messages,
                                         bool second_time = false) {
  RetainedList made{.messages = {}, .second_time = second_time};
  for (const auto& [topic, overtaken_at] : messages)
    made.messages.push_back({.topic = topic, .frame = {}, .overtaken_at = overtaken_at});
  return std::make_shared<const RetainedList>(std::move(made));
}

Texts all(Replays& replays, ClientSlot client) {
  Texts topics;
  for (const RetainedMessage* next = replays.next(client); next; next = replays.next(client)) {
    topics.push_back(next->topic);
    replays.pop(client);
  }
  return topics;
}

TEST(Replays, BringEachMessageOnce) {
  Replays replays;
  replays.add(1, 7, list({{"a", 0}, {"b", 0}}), 0);
  EXPECT_EQ(replays.next(2), nullptr);
  EXPECT_EQ(all(replays, 1), (Texts{"a", "b"}));
  EXPECT_TRUE(replays.empty());
}

TEST(Replays, LeaveOutWhatALiveMessageHadOvertakenForTheClient) {
  Replays replays;
  replays.add(1, 7, list({{"a", 5}, {"b", 3}}), 4);
  EXPECT_EQ(all(replays, 1), Texts{"b"});
}

TEST(Replays, ASecondFetchIsForThoseWhoWentWithoutTheFirst) {
  Replays replays;
  replays.add(1, 7, list({{"a", 5}, {"b", 3}}, true), 4);
  EXPECT_EQ(all(replays, 1), Texts{"a"});
}

TEST(Replays, ALiveMessageOvertakesWhatIsStillToCome) {
  Replays replays;
  replays.add(1, 7, list({{"a", 0}, {"b", 0}, {"c", 0}}), 0);
  replays.add(2, 7, list({{"b", 0}}), 0);
  ASSERT_EQ(replays.next(1)->topic, "a");
  replays.on_live_message(1, "b", 1, Overtaking::yes);
  replays.on_live_message(3, "c", 1, Overtaking::yes);
  EXPECT_EQ(all(replays, 1), (Texts{"a", "c"}));
  EXPECT_EQ(all(replays, 2), Texts{"b"});
}

TEST(Replays, EndWithTheirFilterOrTheirClient) {
  Replays replays;
  replays.add(1, 7, list({{"a", 0}}), 0);
  replays.add(1, 8, list({{"b", 0}}), 0);
  replays.stop(1, 7);
  EXPECT_EQ(all(replays, 1), Texts{"b"});
  replays.add(1, 7, list({{"a", 0}}), 0);
  replays.remove(1);
  EXPECT_TRUE(replays.empty());
}

TEST(Replays, TellWhatTheyHaveLeftOutForAMessageThatWasPerhapsNotRetained) {
  Replays replays;
  replays.add(1, 7, list({{"a", 0}, {"b", 0}, {"c", 0}}), 4);
  replays.on_live_message(1, "b", 5, Overtaking::perhaps);
  replays.on_live_message(1, "c", 6, Overtaking::yes);
  EXPECT_EQ(all(replays, 1), Texts{"a"});
  const auto left_out = replays.take_left_out();
  ASSERT_EQ(left_out.size(), 1U);
  EXPECT_EQ(left_out[0].overtaken, (std::map<std::string, MessageSequence>{{"b", 5}}));
  EXPECT_EQ(left_out[0].joined_at, 4U);
  EXPECT_TRUE(replays.take_left_out().empty());
}

TEST(Replays, ASecondFetchIsTheLast) {
  Replays replays;
  replays.add(1, 7, list({{"a", 5}}, true), 4);
  replays.on_live_message(1, "a", 6, Overtaking::perhaps);
  EXPECT_EQ(all(replays, 1), Texts{});
  EXPECT_TRUE(replays.take_left_out().empty());
}

}  // namespace
}  // namespace famemely::gateway
