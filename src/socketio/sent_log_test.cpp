#include "socketio/sent_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::Optional;

constexpr SentLog::Limits kWide{seconds(60), 1'000'000};
constexpr std::size_t kMany = 1'000'000;
const Instant kStart{seconds(1000)};

SentLog::Event event(EventNumber number) { return {number, make_event_frame("/", "e", "1")}; }

std::optional<std::vector<EventNumber>> missed(const SentLog& log, SentLog::Session session, EventNumber seen,
                                               std::size_t bytes_max = kMany) {
  const auto events = log.missed(session, seen, bytes_max);
  if (!events) return std::nullopt;
  std::vector<EventNumber> numbers;
  for (const SentLog::Event& one : *events) numbers.push_back(one.number);
  return numbers;
}

SentLog made(const SentLog::Limits& limits = kWide) {
  SentLog log;
  log.begin(1);
  log.begin(2);
  log.add(event(10), {1, 2}, kStart, limits);
  log.add(event(11), {2}, kStart + seconds(1), limits);
  log.add(event(9), {1, 2}, kStart + seconds(2), limits);
  return log;
}

TEST(SocketIoSentLog, FindsWhatASessionWasSentSince) {
  EXPECT_THAT(missed(made(), 1, 10), Optional(ElementsAre(9)));
  EXPECT_THAT(missed(made(), 2, 10), Optional(ElementsAre(11, 9)));
  EXPECT_THAT(missed(made(), 2, 9), Optional(ElementsAre()));
}

TEST(SocketIoSentLog, KnowsNoEventsOfOthersAndNoSessionsThatEnded) {
  SentLog log = made();
  EXPECT_EQ(missed(log, 1, 11), std::nullopt);
  EXPECT_EQ(missed(log, 1, 77), std::nullopt);
  EXPECT_EQ(missed(log, 3, 10), std::nullopt);
  log.end(1);
  EXPECT_EQ(missed(log, 1, 10), std::nullopt);
}

TEST(SocketIoSentLog, GivesNothingRatherThanTooMuch) {
  const std::size_t bytes = event(1).frame.size();
  EXPECT_THAT(missed(made(), 2, 10, 2 * bytes), Optional(ElementsAre(11, 9)));
  EXPECT_EQ(missed(made(), 2, 10, 2 * bytes - 1), std::nullopt);
}

TEST(SocketIoSentLog, RemembersTheLastEventOfASessionThatHasGone) {
  SentLog log = made();
  log.trim(kStart + seconds(61), kWide);
  EXPECT_THAT(missed(log, 1, 10), Optional(ElementsAre(9)));
  log.trim(kStart + seconds(100), kWide);
  EXPECT_TRUE(log.empty());
  EXPECT_THAT(missed(log, 1, 9), Optional(ElementsAre()));
  EXPECT_EQ(missed(log, 1, 10), std::nullopt);
  log.add(event(12), {1}, kStart + seconds(101), kWide);
  EXPECT_THAT(missed(log, 1, 9), Optional(ElementsAre(12)));
}

TEST(SocketIoSentLog, ASessionMayBeginWithAnEventThatItSawElsewhere) {
  SentLog log = made();
  log.begin(3, 5);
  log.add(event(13), {3}, kStart, kWide);
  EXPECT_THAT(missed(log, 3, 5), Optional(ElementsAre(13)));
}

TEST(SocketIoSentLog, IsBoundedInBytes) {
  const std::size_t bytes = event(1).frame.size() + SentLog::kEventOverhead + 2 * sizeof(SentLog::Session);
  const SentLog log = made({seconds(60), 2 * bytes});
  EXPECT_LE(log.bytes(), 2 * bytes);
  EXPECT_THAT(missed(log, 2, 10), Optional(ElementsAre(11, 9)));
}

TEST(SocketIoSentLog, OffsetsAreReadBack) {
  EXPECT_EQ(offset_of(0x1a02), "1a02");
  EXPECT_THAT(event_of("1a02"), Optional(EventNumber{0x1a02}));
  for (const char* text : {"", "0", "-1", "1a02 ", "x", "123456789012345678901"})
    EXPECT_EQ(event_of(text), std::nullopt);
}

}  // namespace
}  // namespace famemely::socketio
