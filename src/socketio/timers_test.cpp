#include "socketio/timers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace famemely::socketio {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Instant at(int seconds) { return Instant(std::chrono::seconds(seconds)); }

TEST(SocketIoTimers, CallWhatIsDueInItsOrder) {
  Timers timers;
  std::vector<int> called;
  timers.add(at(2), [&] { called.push_back(2); });
  timers.add(at(1), [&] { called.push_back(1); });
  timers.add(at(3), [&] { called.push_back(3); });
  timers.run(at(2));
  EXPECT_THAT(called, ElementsAre(1, 2));
  EXPECT_EQ(timers.next(), at(3));
}

TEST(SocketIoTimers, CallNothingThatWasCancelled) {
  Timers timers;
  std::vector<int> called;
  const Timers::Id second = timers.add(at(2), [&] { called.push_back(2); });
  timers.add(at(1), [&] { timers.cancel(second); });
  timers.run(at(5));
  EXPECT_THAT(called, IsEmpty());
  EXPECT_EQ(timers.size(), 0);
  EXPECT_EQ(timers.next(), kNever);
}

TEST(SocketIoTimers, GoOnWithTheLoopWhenACallAddsWhatIsDue) {
  Timers timers;
  int calls = 0;
  std::function<void()> again = [&] {
    ++calls;
    timers.add(at(0), again);
  };
  timers.add(at(0), again);
  timers.run(at(1));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace famemely::socketio
