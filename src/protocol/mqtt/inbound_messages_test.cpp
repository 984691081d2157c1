#include "protocol/mqtt/inbound_messages.hpp"

#include <gtest/gtest.h>

#include "protocol/mqtt/session_script.hpp"

namespace famemely::mqtt {
namespace {

using testing::SessionScript;
using testing::Texts;

void start(SessionScript& script) {
  script.connect();
  script.effects.clear();
}

TEST(InboundMessages, AreAcknowledgedWhenTheCallerSaysSo) {
  SessionScript script;
  start(script);
  script.receive("32 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages(), (Texts{"a x"}));
  EXPECT_EQ(script.sent(), "");
  EXPECT_EQ(script.session.unacknowledged(), 1U);
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "40 02 00 05");
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "");
}

TEST(InboundMessages, AreAcknowledgedInOrderOfArrival) {
  SessionScript script;
  start(script);
  script.receive("32 06 0001 'a' 0005 00 34 06 0001 'a' 0006 00 32 06 0001 'a' 0007 00");
  script.messages();
  script.acknowledge(2);
  script.acknowledge(1);
  EXPECT_EQ(script.sent(), "");
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "40 02 00 05 50 02 00 06 40 02 00 07");
}

TEST(InboundMessages, OfQos2AreHandedOnOnce) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00 3c 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 1U);
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "50 02 00 05");
  script.receive("3c 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 0U);
  EXPECT_EQ(script.sent(), "50 02 00 05");
  script.receive("62 02 0005");
  EXPECT_EQ(script.sent(), "70 02 00 05");
  script.receive("34 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 1U);
}

TEST(InboundMessages, WithAWildcardInTheirTopicArePassedOverAndAcknowledged) {
  SessionScript script;
  start(script);
  script.receive("30 04 0001 '+' 00 32 06 0001 '#' 0005 00 34 06 0001 '#' 0006 00");
  EXPECT_EQ(script.take<Warning>().size(), 1U) << "one is enough";
  EXPECT_EQ(script.messages().size(), 0U);
  EXPECT_EQ(script.sent(), "40 02 00 05 50 02 00 06");
}

TEST(InboundMessages, ThatNoPublisherShouldHaveSentArePassedOverAndAcknowledged) {
  // U+0000, no UTF-8 and nothing for a topic; an alias for such a one, and then the alias alone; a content type.
  for (const char* written :
       {"34 06 0001 00 0005 00", "34 06 0001 ff 0005 00", "34 05 0000 0005 00",
        "30 07 0001 '+' 03 23 0001  34 08 0000 0005 03 23 0001", "34 0a 0001 'a' 0005 04 03 0001 ff"}) {
    SessionScript script;
    start(script);
    script.receive(written);
    EXPECT_EQ(script.take<Warning>().size(), 1U) << written;
    EXPECT_EQ(script.sent(), "50 02 00 05") << written;
    EXPECT_TRUE(script.session.connected()) << written;
    script.receive("62 02 0005  30 05 0001 'a' 00 'x'");
    EXPECT_EQ(script.messages(), (Texts{"a x"})) << written;
  }
}

TEST(InboundMessages, ComeWithoutAPropertyThatMeansNothing) {
  SessionScript script;
  start(script);
  script.receive("30 06 0001 'a' 02 01 02  30 08 0001 'b' 04 08 0001 '#'");
  EXPECT_EQ(std::get<Warning>(script.effects.events.at(0)).text,
            "property left out, because payload format indicator is neither 0 nor 1: a");
  EXPECT_EQ(script.messages(), (Texts{"a ", "b "}));
}

TEST(InboundMessages, ThatAreTooLargeAndHaveNoTopicToTellArePassedOver) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_3_1_1, .packet_bytes_max = 20});
  script.connect("20 02 00 00");
  script.effects.clear();
  script.receive("34 14 0001 00 0005 '0123456789abcde'");
  EXPECT_EQ(script.sent(), "50 02 00 05");
  EXPECT_EQ(script.take<Warning>().size(), 1U);
  EXPECT_TRUE(script.session.connected());
}

TEST(InboundMessages, OfQos2AreKnownAgainOnTheNextConnection) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 1U);
  script.drop();
  script.resume();
  script.receive("3c 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 0U);
  EXPECT_EQ(script.sent(), "");
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "50 02 00 05");
}

TEST(InboundMessages, OfQos2AcknowledgedBetweenConnectionsAreNotForgotten) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00");
  script.messages();
  script.drop();
  script.acknowledge(0);
  script.resume();
  script.receive("3c 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 0U);
  EXPECT_EQ(script.sent(), "50 02 00 05");
}

TEST(InboundMessages, OfQos2AreNewWhenTheBrokerLostTheSession) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00");
  script.messages();
  script.drop();
  script.connect();
  script.receive("34 06 0001 'b' 0005 00");
  EXPECT_EQ(script.messages(), (Texts{"b "}));
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "");
  script.acknowledge(1);
  EXPECT_EQ(script.sent(), "50 02 00 05");
}

TEST(InboundMessages, OfQos2ThatEndedBeforeAreKnownWhenARestartedBrokerGoesBackAStep) {
  SessionScript script;
  start(script);
  script.receive("34 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages().size(), 1U);
  script.acknowledge(0);
  script.receive("62 02 0005");
  script.drop();
  script.resume();
  script.sent();
  script.receive("3c 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages().size(), 0U);
  EXPECT_EQ(script.sent(), "50 02 00 05");
  script.receive("62 02 0005");
  EXPECT_EQ(script.sent(), "70 02 00 05");
}

TEST(InboundMessages, OfQos2ThatEndedBeforeAreKnownThoughAnotherHadTheirIdentifierWhenTheBrokerWentBack) {
  SessionScript script;
  start(script);
  script.receive("34 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages(), (Texts{"a x"}));
  script.acknowledge(0);
  script.receive("62 02 0005");
  script.drop();
  script.resume();
  script.receive("34 07 0001 'a' 0005 00 'y'");
  EXPECT_EQ(script.messages(), (Texts{"a y"}));
  script.drop();
  script.resume();
  script.sent();
  script.receive("3c 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages(), Texts{});
  EXPECT_EQ(script.sent(), "50 02 00 05");
}

TEST(InboundMessages, OfQos2ThatLookLikeOneThatEndedAreNewWithABrokerThatUsesIdentifiersAnew) {
  SessionScript script;
  start(script);
  for (int i = 0; i < 2; ++i) {
    script.receive("34 07 0001 'a' 0005 00 'x'");
    EXPECT_EQ(script.messages().size(), 1U);
    script.acknowledge(script.handles.size() - 1);
    script.receive("62 02 0005");
  }
  script.drop();
  script.resume();
  script.receive("3c 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages().size(), 1U);
}

/// QoS 1 messages with the identifiers from `first`, so many, acknowledged at once.
void use_ids(SessionScript& script, std::size_t first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t id = (first + i - 1) % 65'535 + 1;
    std::string raw = testing::bytes("32 06 0001 'b'");
    raw.append({static_cast<char>(id >> 8), static_cast<char>(id & 0xFF), '\0'});
    script.session.on_bytes(raw, script.now, script.effects);
    script.messages();
    script.acknowledge(script.handles.size() - 1);
  }
}

TEST(InboundMessages, OfQos2ThatLookLikeOneThatEndedAreNewWhenIdentifiersHaveComeRound) {
  SessionScript script;
  start(script);
  script.receive("34 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages().size(), 1U);
  script.acknowledge(0);
  use_ids(script, 6, 40'000);
  script.receive("62 02 0005");  // late
  script.drop();
  script.resume();
  use_ids(script, 40'006, 25'534);
  script.drop();  // with what had identifier 5 on its way
  script.resume();
  script.receive("3c 07 0001 'a' 0005 00 'x'");
  EXPECT_EQ(script.messages(), (Texts{"a x"}));
}

TEST(InboundMessages, OfQos2ThatEndedBeforeAreKnownThoughIdentifiersHaveBegunAnew) {
  SessionScript script;
  start(script);
  script.receive("34 07 0001 'a' ffff 00 'x'");
  EXPECT_EQ(script.messages().size(), 1U);
  script.acknowledge(0);
  script.receive("62 02 ffff");
  use_ids(script, 1, 1000);
  script.drop();
  script.resume();
  script.receive("3c 07 0001 'a' ffff 00 'x'");
  EXPECT_EQ(script.messages(), Texts{});
}

TEST(InboundMessages, OfQos2WithOtherContentsAreNewWhenARestartedBrokerUsesTheirIdentifier) {
  SessionScript script;
  start(script);
  script.receive("34 07 0001 'a' 0005 00 'x'");
  script.messages();
  script.drop();
  script.resume();
  script.receive("34 07 0001 'a' 0005 00 'y'");
  EXPECT_EQ(script.messages(), (Texts{"a y"}));
}

TEST(InboundMessages, OfQos2WithoutDupAreNewWhenTheSessionMayBeAnother) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00 34 06 0001 'a' 0006 00");
  script.messages();
  script.drop();
  script.open();  // its answer, which may have said that there is no session, is never seen
  script.drop();
  script.resume();
  script.receive("34 06 0001 'b' 0005 00 3c 06 0001 'a' 0006 00");
  EXPECT_EQ(script.messages(), (Texts{"b "}));
}

TEST(InboundMessages, OfQos2WithoutDupAreKnownWhenTheSessionIsSurelyTheSame) {
  SessionScript script;
  start(script);
  script.receive("34 06 0001 'a' 0005 00");
  script.messages();
  script.drop();
  script.resume();
  script.receive("34 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages(), Texts{});
}

TEST(InboundMessages, OfQos1AreHandedOnAgainAndOldHandlesDoNothing) {
  SessionScript script;
  start(script);
  script.receive("32 06 0001 'a' 0005 00");
  script.messages();
  script.drop();
  script.resume();
  script.receive("3a 06 0001 'a' 0005 00");
  EXPECT_EQ(script.messages().size(), 1U);
  script.acknowledge(0);
  EXPECT_EQ(script.sent(), "");
  script.acknowledge(1);
  EXPECT_EQ(script.sent(), "40 02 00 05");
}

TEST(InboundMessages, BeyondTheReceiveMaximumAreTakenAndToldOnce) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .receive_maximum = 2});
  start(script);
  script.receive("34 06 0001 'a' 0005 00 32 06 0001 'a' 0006 00");
  EXPECT_EQ(script.take<Warning>().size(), 0U);
  script.receive("32 06 0001 'a' 0007 00");
  EXPECT_EQ(script.take<Warning>().size(), 1U);
  script.receive("32 06 0001 'a' 0008 00");
  EXPECT_EQ(script.messages().size(), 1U);
  EXPECT_TRUE(script.session.connected());
  EXPECT_EQ(script.session.unacknowledged(), 4U);
}

TEST(InboundMessages, BeyondAllPacketIdentifiersEndTheConnection) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .receive_maximum = 2});
  start(script);
  for (int i = 0; i < 0xFFFF; ++i) script.receive("32 06 0001 'a' 0007 00");
  EXPECT_TRUE(script.session.connected());
  script.receive("32 06 0001 'a' 0007 00");
  EXPECT_EQ(script.take<Disconnected>().at(0).code, ReasonCode::receive_maximum_exceeded);
  EXPECT_EQ(script.sent().substr(0, 8), "e0 54 93");
}

TEST(InboundMessages, AnswerAnUnknownPubrel) {
  SessionScript script;
  start(script);
  script.receive("62 02 0005");
  EXPECT_EQ(script.sent(), "70 03 00 05 92");
}

TEST(InboundMessages, ThatAreTooLargeIn311AreAcknowledgedAndCounted) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_3_1_1, .packet_bytes_max = 20});
  script.connect("20 02 00 00");
  script.effects.clear();
  script.receive("34 14 0001 'a' 0005 '0123456789abcde' 30 04 0001 'b' 'y'");
  EXPECT_EQ(script.sent(), "50 02 00 05");
  ASSERT_EQ(script.effects.events.size(), 2U);
  EXPECT_EQ(std::get<MessageTooLarge>(script.effects.events[0]).topic, "a");
  EXPECT_EQ(script.messages(), (Texts{"b y"}));
}

TEST(InboundMessages, ThatAreTooLargeAtQos2AreCountedOnce) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_3_1_1, .packet_bytes_max = 20});
  script.connect("20 02 00 00");
  script.receive("34 14 0001 'a' 0005 '0123456789abcde'");
  EXPECT_EQ(script.take<MessageTooLarge>().size(), 1U);
  script.drop();
  script.connect("20 02 01 00");
  script.effects.clear();
  script.receive("3c 14 0001 'a' 0005 '0123456789abcde'");
  EXPECT_EQ(script.sent(), "50 02 00 05");
  EXPECT_TRUE(script.take<MessageTooLarge>().empty());
}

TEST(InboundMessages, KeepTheirHandlesOverManyThousands) {
  SessionScript script;
  start(script);
  std::vector<AcknowledgementHandle> open;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    std::string raw = testing::bytes("32 06 0001 'a'");
    const std::uint32_t id = i % 65'000 + 1;
    raw += static_cast<char>(id >> 8);
    raw += static_cast<char>(id & 0xFF);
    raw += '\0';
    script.session.on_bytes(raw, script.now, script.effects);
    for (const auto& each : script.take<MessageReceived>()) open.push_back(each.acknowledgement);
    if (i >= 3000) script.session.acknowledge(open[i - 3000], script.now, script.effects);
  }
  EXPECT_EQ(script.session.unacknowledged(), 3000U);
  EXPECT_EQ(script.effects.output.size(), 17'000U * 4);
}

}  // namespace
}  // namespace famemely::mqtt
