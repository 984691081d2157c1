#include "socketio/socket_closer.hpp"

#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
const Instant kStart = Instant{} + std::chrono::hours(1);

std::size_t closed_by(SocketCloser& closer, Instant now) {
  std::size_t closed = 0;
  while (closer.take(now)) ++closed;
  return closed;
}

TEST(SocketCloser, SpreadsManyOverHalfTheTime) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(1000), kStart, kStart + seconds(10));
  EXPECT_EQ(closed_by(closer, kStart), 1U);
  EXPECT_EQ(closed_by(closer, kStart + milliseconds(2500)), 500U);
  EXPECT_EQ(closed_by(closer, kStart + seconds(5)), 499U);
  EXPECT_TRUE(closer.done());
  EXPECT_EQ(closer.next_deadline(), kNever);
}

TEST(SocketCloser, IsQuickWithAFew) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(3), kStart, kStart + seconds(10));
  EXPECT_EQ(closed_by(closer, kStart + milliseconds(40)), 3U);
}

TEST(SocketCloser, OneThatIsPutBackHasItsTurnAgain) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(1), kStart, kStart + seconds(10));
  const auto socket = closer.take(kStart);
  ASSERT_TRUE(socket);
  closer.put_back(*socket, kStart);
  EXPECT_FALSE(closer.take(kStart));
  EXPECT_FALSE(closer.done());
  EXPECT_EQ(closer.next_deadline(), kStart + SocketCloser::kStepMax);
  EXPECT_TRUE(closer.take(kStart + SocketCloser::kStepMax));
  EXPECT_TRUE(closer.done());
}

TEST(SocketCloser, ManyThatArePutBackAreEachTakenOnceAStep) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(10), kStart, kStart + milliseconds(20));
  Instant now = kStart + milliseconds(10);
  for (int look = 0; look < 5; ++look) {
    std::size_t taken = 0;
    while (const auto socket = closer.take(now)) {
      closer.put_back(*socket, now);
      ASSERT_LE(++taken, 10U);
    }
    EXPECT_EQ(taken, 10U);
    now = closer.next_deadline();
  }
}

/// Once this went round for ever.
TEST(SocketCloser, WithoutTimeTakesEachOnceAllTheSame) {
  for (const auto done_by : {kStart, kStart - seconds(1)}) {
    SocketCloser closer;
    closer.begin(std::vector<SocketId>(3), kStart, done_by);
    EXPECT_FALSE(closer.is_patient(kStart));
    std::size_t taken = 0;
    while (const auto socket = closer.take(kStart)) {
      closer.put_back(*socket, kStart);
      ASSERT_LE(++taken, 3U);
    }
    EXPECT_EQ(taken, 3U);
  }
}

TEST(SocketCloser, IsPatientForHalfTheTime) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(1), kStart, kStart + seconds(10));
  EXPECT_TRUE(closer.is_patient(kStart + milliseconds(4999)));
  EXPECT_FALSE(closer.is_patient(kStart + seconds(5)));
}

TEST(SocketCloser, HasNothingToDoWithNone) {
  SocketCloser closer;
  closer.begin({}, kStart, kStart + seconds(10));
  EXPECT_TRUE(closer.done());
  EXPECT_FALSE(closer.take(kStart + seconds(1)));
}

}  // namespace
}  // namespace famemely::socketio
