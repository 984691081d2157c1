#include "protocol/mqtt/outbound_messages.hpp"

#include <gtest/gtest.h>

#include "protocol/mqtt/session_script.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;
using testing::hex;
using testing::SessionScript;
using testing::Texts;

/// A script that is connected and has published `count` messages of payload `x` with the tokens 1, 2, 3 ...
SessionScript& with_published(SessionScript& script, Token count, std::uint8_t qos) {
  script.connect();
  script.effects.clear();
  for (Token token = 1; token <= count; ++token) EXPECT_EQ(script.publish(token, qos), "");
  return script;
}
std::string packet(std::string_view written) { return hex(bytes(written)); }

TEST(OutboundMessages, CompleteAtPuback) {
  SessionScript script;
  with_published(script, 1, 1);
  EXPECT_EQ(script.sent(), packet("32 07 0001 't' 0001 00 'x'"));
  script.receive("40 02 0001");
  EXPECT_EQ(script.completed(), (Texts{"1 taken"}));
  EXPECT_EQ(script.session.in_flight(), 0U);
}

TEST(OutboundMessages, AreRefusedByName) {
  SessionScript script;
  with_published(script, 1, 1);
  script.receive("40 03 0001 87");
  EXPECT_EQ(script.completed(), (Texts{"1 not taken, Not authorized"}));
}

TEST(OutboundMessages, OfQos2CompleteAtPubcomp) {
  SessionScript script;
  with_published(script, 1, 2);
  EXPECT_EQ(script.sent(), packet("34 07 0001 't' 0001 00 'x'"));
  script.receive("50 02 0001");
  EXPECT_EQ(script.sent(), "62 02 00 01");
  EXPECT_EQ(script.completed(), Texts{});
  script.receive("70 02 0001");
  EXPECT_EQ(script.completed(), (Texts{"1 taken"}));
}

TEST(OutboundMessages, OfQos2EndWithAFailingPubrec) {
  SessionScript script;
  with_published(script, 1, 2);
  script.sent();
  script.receive("50 03 0001 97");
  EXPECT_EQ(script.completed(), (Texts{"1 not taken, Quota exceeded"}));
  EXPECT_EQ(script.sent(), "");
  EXPECT_EQ(script.session.in_flight(), 0U);
}

TEST(OutboundMessages, OfQos2CompleteWithAWarningAtAPuback) {
  SessionScript script;
  with_published(script, 1, 2);
  script.receive("40 02 0001");
  EXPECT_EQ(script.completed(), (Texts{"1 taken, the broker answered QoS 2 with PUBACK"}));
}

TEST(OutboundMessages, WaitForTheReceiveMaximum) {
  SessionScript script;
  script.connect("20 06 00 00 03 21 0002");
  script.effects.clear();
  for (Token token = 1; token <= 4; ++token) EXPECT_EQ(script.publish(token, 1), "");
  EXPECT_EQ(script.session.in_flight(), 2U);
  EXPECT_EQ(script.session.queued(), 2U);
  script.sent();
  script.receive("40 02 0001");
  EXPECT_EQ(script.sent(), packet("32 07 0001 't' 0003 00 'x'"));
}

TEST(OutboundMessages, AreRefusedWhenTheQueueIsFull) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .queued_publishes_max = 1});
  script.connect("20 06 00 00 03 21 0001");
  EXPECT_EQ(script.publish(1, 1), "");
  EXPECT_EQ(script.publish(2, 1), "");
  EXPECT_EQ(script.publish(3, 1), "503 too many messages are waiting for the MQTT broker");
  script.receive("40 02 0001");
  EXPECT_EQ(script.publish(3, 1), "");
}

TEST(OutboundMessages, AreRefusedWhenTheQueueHoldsTooManyBytes) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .queued_bytes_max = 10});
  script.connect("20 06 00 00 03 21 0001");
  EXPECT_EQ(script.publish(1, 1), "");
  EXPECT_EQ(script.publish(2, 1, "0123456789"), "503 too many messages are waiting for the MQTT broker");
  EXPECT_EQ(script.publish(3, 1, "012345678"), "");
}

TEST(OutboundMessages, WaitWhileTooManyBytesAreInFlight) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .in_flight_bytes_max = 4});
  with_published(script, 4, 1);
  EXPECT_EQ(script.session.in_flight(), 2U);
  EXPECT_EQ(script.session.queued(), 2U);
}

TEST(OutboundMessages, ReachEveryPacketIdentifierAndStayFast) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .queued_publishes_max = 10});
  with_published(script, 65'545, 1);
  EXPECT_EQ(script.session.in_flight(), 65'535U);
  EXPECT_EQ(script.session.queued(), 10U);
  EXPECT_EQ(script.publish(1, 1), "503 too many messages are waiting for the MQTT broker");
  std::string acks;
  for (std::uint32_t id = 65'535; id > 0; --id) {
    acks += bytes("40 02");
    acks += static_cast<char>(id >> 8);
    acks += static_cast<char>(id & 0xFF);
  }
  script.session.on_bytes(acks, script.now, script.effects);
  EXPECT_EQ(script.completed().size(), 65'535U);
  EXPECT_EQ(script.session.in_flight(), 10U);
}

TEST(OutboundMessages, AreSentAgainInOrderWithDupWhenTheSessionIsResumed) {
  SessionScript script;
  with_published(script, 3, 2);
  script.receive("50 02 0002");
  script.drop();
  script.resume();
  EXPECT_EQ(script.sent(), packet("62 02 0002 3c 07 0001 't' 0001 00 'x' 3c 07 0001 't' 0003 00 'x'"));
}

TEST(OutboundMessages, SendPubrelsAgainInTheOrderOfTheirPubrecs) {
  SessionScript script;
  with_published(script, 3, 2);
  script.receive("50 02 0003 50 02 0001");
  script.drop();
  script.resume();
  EXPECT_EQ(script.sent(), packet("62 02 0003 62 02 0001 3c 07 0001 't' 0002 00 'x'"));
}

TEST(OutboundMessages, SendNoPubrelTwiceWhenAPubrecComesBeforeTheirTurn) {
  SessionScript script;
  with_published(script, 2, 2);
  script.drop();
  script.connect("20 06 01 00 03 21 0001");
  EXPECT_EQ(script.sent(), packet("3c 07 0001 't' 0001 00 'x'"));
  script.receive("50 02 0002");
  EXPECT_EQ(script.sent(), packet("62 02 0002"));
  script.receive("50 02 0001 70 02 0001");
  EXPECT_EQ(script.sent(), packet("62 02 0001"));
}

TEST(OutboundMessages, AreSentAsNewWhenTheBrokerLostTheSession) {
  SessionScript script;
  with_published(script, 2, 2);
  script.receive("50 02 0001");
  script.drop();
  script.connect();
  EXPECT_EQ(script.sent(), packet("34 07 0001 't' 0002 00 'x'"));
  EXPECT_EQ(script.completed(), (Texts{"1 taken, the broker lost the session after it had received the message"}));
}

TEST(OutboundMessages, AreSentAgainOnlyAsFastAsTheNewReceiveMaximumAllows) {
  SessionScript script;
  with_published(script, 3, 1);
  script.drop();
  script.connect("20 06 01 00 03 21 0001");
  EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0001 00 'x'"));
  script.receive("40 02 0001");
  EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0002 00 'x'"));
}

TEST(OutboundMessages, GoOneByOneAfterTwoDropsAndTheThirdEndsOnlyTheOneOnTheWire) {
  SessionScript script;
  with_published(script, 3, 1);
  script.drop();
  script.resume();
  script.drop();
  script.resume();
  EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0001 00 'x'"));
  EXPECT_EQ(script.publish(4, 1), "");
  EXPECT_EQ(script.sent(), "");
  script.receive("40 02 0001");
  EXPECT_EQ(script.completed(), (Texts{"1 taken"}));
  EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0002 00 'x'"));
  script.drop();
  EXPECT_EQ(script.completed(),
            (Texts{"2 not taken, given up: the connection to the broker dropped with it three times"}));
  script.resume();
  EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0003 00 'x'"));
  script.receive("40 02 0003");
  EXPECT_EQ(script.sent(), packet("32 07 0001 't' 0004 00 'x'"));
}

TEST(OutboundMessages, AreNotBlamedForABrokerThatShutsDown) {
  SessionScript script;
  with_published(script, 2, 1);
  for (int round = 0; round < 4; ++round) {
    script.receive("e0 01 8b");
    script.resume();
    EXPECT_EQ(script.sent(), packet("3a 07 0001 't' 0001 00 'x' 3a 07 0001 't' 0002 00 'x'"));
  }
}

TEST(OutboundMessages, GivenUpAtQos2DoNotFreeTheirIdentifierWithinTheSession) {
  SessionScript script;
  with_published(script, 1, 2);
  for (int round = 0; round < 2; ++round) {
    script.drop();
    script.resume();
  }
  script.drop();
  script.resume();
  EXPECT_EQ(script.session.in_flight(), 0U);
  for (std::uint32_t count = 1; count < 65'535; ++count) ASSERT_EQ(script.publish(count, 1), "");
  EXPECT_EQ(script.session.queued(), 0U);
  EXPECT_EQ(script.publish(1, 1), "");
  EXPECT_EQ(script.session.queued(), 1U);
}

TEST(OutboundMessages, AreNotSentToABrokerThatDoesNotTakeThemAnyMore) {
  SessionScript script;
  with_published(script, 1, 2);
  script.drop();
  script.connect("20 05 01 00 02 24 01");
  EXPECT_EQ(script.sent(), "");
  EXPECT_EQ(script.completed(), (Texts{"1 not taken, the broker does not take this message any more"}));
}

TEST(OutboundMessages, MeetStrayAcknowledgementsWithAWarning) {
  SessionScript script;
  script.connect();
  script.effects.clear();
  script.receive("40 02 0009 50 02 0009 70 02 0009");
  EXPECT_EQ(script.take<Warning>().size(), 3U);
  EXPECT_EQ(script.sent(), "62 03 00 09 92");
  EXPECT_TRUE(script.session.connected());
}

}  // namespace
}  // namespace famemely::mqtt
