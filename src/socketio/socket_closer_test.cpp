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
  EXPECT_EQ(closed_by(closer, kStart + milliseconds(2500)), 500U);
  EXPECT_EQ(closed_by(closer, kStart + seconds(5)), 500U);
  EXPECT_TRUE(closer.done());
  EXPECT_EQ(closer.next_deadline(), kNever);
}

TEST(SocketCloser, LeavesTimeToReadWhatWasSentBefore) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(1), kStart, kStart + seconds(10));
  EXPECT_EQ(closed_by(closer, kStart), 0U);
  EXPECT_EQ(closer.next_deadline(), kStart + SocketCloser::kStepMax);
}

TEST(SocketCloser, WithoutTimeClosesAtOnce) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(3), kStart, kStart);
  EXPECT_EQ(closed_by(closer, kStart), 3U);
}

TEST(SocketCloser, IsQuickWithAFew) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(3), kStart, kStart + seconds(10));
  EXPECT_EQ(closed_by(closer, kStart + milliseconds(60)), 3U);
}

TEST(SocketCloser, OneThatIsPutBackHasItsTurnAgain) {
  SocketCloser closer;
  closer.begin(std::vector<SocketId>(1), kStart, kStart + seconds(10));
  const auto socket = closer.take(kStart + SocketCloser::kStepMax);
  ASSERT_TRUE(socket);
  closer.put_back(*socket);
  EXPECT_FALSE(closer.take(kStart + SocketCloser::kStepMax));
  EXPECT_EQ(closer.next_deadline(), kStart + 2 * SocketCloser::kStepMax);
  EXPECT_TRUE(closer.take(kStart + 2 * SocketCloser::kStepMax));
  EXPECT_TRUE(closer.done());
}

TEST(SocketCloser, HasNothingToDoWithNone) {
  SocketCloser closer;
  closer.begin({}, kStart, kStart + seconds(10));
  EXPECT_TRUE(closer.done());
  EXPECT_FALSE(closer.take(kStart + seconds(1)));
}

}  // namespace
}  // namespace famemely::socketio
