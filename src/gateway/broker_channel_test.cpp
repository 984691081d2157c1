#include "gateway/broker_channel.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

class TestChannel final : public BrokerChannel {
 public:
  void on_transport_open(Now) override {}
  void on_bytes(std::string_view, Now) override {}
  void on_transport_closed(const std::string&, Now) override {}
  void on_written(std::size_t, Now) override {}

  using BrokerChannel::attempt_began;
  using BrokerChannel::with_cause;
};

Now after(std::chrono::seconds time) { return {.instant = Instant{} + time, .wall = {}}; }

TEST(BrokerChannel, CountsTheTimeFromTheBeginningOfTheAttempt) {
  using namespace std::chrono_literals;
  TestChannel channel;
  EXPECT_EQ(channel.attempt_began(after(7s)), Instant{} + 7s) << "nobody has said when";
  channel.begin_attempt(after(10s));
  EXPECT_EQ(channel.attempt_began(after(17s)), Instant{} + 10s);
}

TEST(BrokerChannel, AddsTheCauseOfTheEndToItsReasonOnce) {
  TestChannel channel;
  channel.explain_end("an alert");
  EXPECT_EQ(channel.with_cause("connection closed"), "connection closed: an alert");
  EXPECT_EQ(channel.with_cause("connection closed"), "connection closed");
  channel.explain_end("an alert");
  channel.begin_attempt(after({}));
  EXPECT_EQ(channel.with_cause("connection closed"), "connection closed");
}

}  // namespace
}  // namespace famemely::gateway
