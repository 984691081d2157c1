#include "protocol/socketio/event_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace famemely::socketio {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Log = EventLog<std::string>;

constexpr std::size_t kPlenty = 1'000'000;

Instant at(int seconds) { return Instant(std::chrono::seconds(seconds)); }

std::vector<std::string> texts(const std::optional<std::vector<const std::string*>>& missed) {
  if (!missed) return {"nothing kept"};
  std::vector<std::string> found;
  for (const std::string* event : *missed) found.push_back(*event);
  return found;
}

void add(Log& log, Log::Sequence sequence, std::vector<Log::Audience> audiences, int seconds = 0) {
  log.add(sequence, audiences, std::to_string(sequence), 10, at(seconds));
}

std::vector<std::string> missed(const Log& log, std::vector<Log::Interest> interests, std::size_t bytes = kPlenty) {
  return texts(log.missed(interests, bytes));
}

TEST(SocketIoEventLog, FindsWhatCameAfterTheLastSeen) {
  Log log({std::chrono::seconds(10), kPlenty});
  for (Log::Sequence sequence = 1; sequence <= 4; ++sequence) add(log, sequence, {7});
  EXPECT_THAT(missed(log, {{7, 2}}), ElementsAre("3", "4"));
  EXPECT_THAT(missed(log, {{7, 4}}), IsEmpty());
}

TEST(SocketIoEventLog, LeavesOutWhatOthersWereSent) {
  Log log({std::chrono::seconds(10), kPlenty});
  add(log, 1, {7});
  add(log, 2, {8});
  EXPECT_THAT(missed(log, {{8, 0}}), ElementsAre("2"));
  EXPECT_THAT(missed(log, {{9, 0}}), IsEmpty());
}

TEST(SocketIoEventLog, MergesAudiencesInOrderAndTellsAnEventOnce) {
  Log log({std::chrono::seconds(10), kPlenty});
  add(log, 1, {7});
  add(log, 2, {7, 8});
  add(log, 3, {8});
  add(log, 4, {7});
  EXPECT_THAT(missed(log, {{7, 0}, {8, 0}}), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(missed(log, {{7, 1}, {8, 2}}), ElementsAre("2", "3", "4"));
}

TEST(SocketIoEventLog, HasNothingIfSomeOfItIsPastItsTime) {
  Log log({std::chrono::seconds(10), kPlenty});
  add(log, 1, {7}, 0);
  add(log, 2, {8}, 0);
  add(log, 3, {7}, 5);
  log.trim(at(11));
  EXPECT_THAT(missed(log, {{7, 0}}), ElementsAre("nothing kept"));
  EXPECT_THAT(missed(log, {{7, 1}}), ElementsAre("3"));  // has seen what has gone
  EXPECT_THAT(missed(log, {{9, 0}}), IsEmpty());         // what has gone did not concern it
}

TEST(SocketIoEventLog, DropsTheOldestBeyondItsBytes) {
  Log log({std::chrono::seconds(10), 3 * (10 + Log::kEventOverhead + Log::kAudienceOverhead)});
  for (Log::Sequence sequence = 1; sequence <= 4; ++sequence) add(log, sequence, {7});
  EXPECT_EQ(log.size(), 3U);
  EXPECT_THAT(missed(log, {{7, 0}}), ElementsAre("nothing kept"));
  EXPECT_THAT(missed(log, {{7, 1}}), ElementsAre("2", "3", "4"));
}

TEST(SocketIoEventLog, GivesNoMoreThanOneClientMayHave) {
  Log log({std::chrono::seconds(10), kPlenty});
  add(log, 1, {7});
  add(log, 2, {7});
  EXPECT_THAT(missed(log, {{7, 0}}, 20), ElementsAre("1", "2"));
  EXPECT_THAT(missed(log, {{7, 0}}, 19), ElementsAre("nothing kept"));
}

TEST(SocketIoEventLog, ForgetsAnAudience) {
  Log log({std::chrono::seconds(10), kPlenty});
  add(log, 1, {7, 8}, 0);
  log.forget(7);
  EXPECT_THAT(missed(log, {{8, 0}}), ElementsAre("1"));
  log.trim(at(11));
  EXPECT_EQ(log.size(), 0U);
  EXPECT_EQ(log.bytes(), 0U);
}

constexpr std::size_t kBytesMax = 5000;
std::size_t bytes_of(const std::set<Log::Audience>& audiences) {
  return 10 + Log::kEventOverhead + audiences.size() * Log::kAudienceOverhead;
}

/// Against a list that keeps everything and searches it whole.
TEST(SocketIoEventLog, AgreesWithASearchOfEverything) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 chance(seed);
    Log log({std::chrono::seconds(20), kBytesMax});
    std::map<Log::Sequence, std::pair<std::set<Log::Audience>, int>> all;
    Log::Sequence last = 0;
    for (int second = 0; second < 100; ++second) {
      std::set<Log::Audience> audiences;
      for (Log::Audience audience = 1; audience <= 5; ++audience)
        if (chance() % 3 == 0) audiences.insert(audience);
      last += 1 + chance() % 2;
      add(log, last, {audiences.begin(), audiences.end()}, second);
      all.emplace(last, std::pair{audiences, second});

      std::vector<Log::Interest> interests;
      for (Log::Audience audience = 1; audience <= 5; ++audience)
        if (chance() % 2 == 0) interests.push_back({audience, last - std::min<Log::Sequence>(last, chance() % 60)});
      std::vector<std::string> expected;
      std::size_t bytes_from_here = 0;
      for (const auto& [sequence, sent] : all) bytes_from_here += bytes_of(sent.first);
      for (const auto& [sequence, sent] : all) {
        const bool kept = bytes_from_here <= kBytesMax && sent.second + 20 >= second;
        bytes_from_here -= bytes_of(sent.first);
        const bool wanted = std::ranges::any_of(interests, [&](const Log::Interest& interest) {
          return sent.first.contains(interest.audience) && sequence > interest.after;
        });
        if (!wanted) continue;
        if (!kept) {
          expected = {"nothing kept"};
          break;
        }
        expected.push_back(std::to_string(sequence));
      }
      ASSERT_EQ(missed(log, interests), expected) << "seed " << seed << ", second " << second;
    }
  }
}

}  // namespace
}  // namespace famemely::socketio
