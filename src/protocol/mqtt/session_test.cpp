#include "protocol/mqtt/session.hpp"

#include <gtest/gtest.h>

#include "protocol/mqtt/session_script.hpp"

namespace famemely::mqtt {
namespace {

using std::chrono::seconds;
using testing::bytes;
using testing::hex;
using testing::SessionScript;
using testing::Texts;

SessionOptions automatic() { return {.client_id = "id"}; }
SessionOptions only_311() { return {.client_id = "id", .version = VersionChoice::only_3_1_1}; }
TopicFilter filter(std::string_view text) { return *TopicFilter::parse(text); }

/// The byte of the CONNECT in the output that tells the version, and the one of its flags.
std::pair<int, int> connect_version_and_flags(SessionScript& script) {
  const std::string raw = std::exchange(script.effects.output, {});
  return {raw.at(8), static_cast<std::uint8_t>(raw.at(9))};
}

TEST(MqttSession, SaysWhatItWantsInConnect) {
  SessionScript script;
  script.open();
  EXPECT_EQ(script.sent(), hex(bytes("10 1c 0004 'MQTT' 05 00 001e 0d 11 00000e10 27 00114240 22 0040 0002 'id'")));
}

TEST(MqttSession, TellsWhatTheBrokerTakes) {
  SessionScript script;
  script.open();
  script.receive("20 1c 00 00 19 21 000a 24 01 25 00 27 00001000 12 0003 'new' 28 00 29 00 13 0005");
  const auto connected = script.take<Connected>();
  ASSERT_EQ(connected.size(), 1U);
  EXPECT_EQ(connected[0].client_id, "new");
  EXPECT_EQ(connected[0].broker, (BrokerCapabilities{.maximum_qos = 1,
                                                     .retain = false,
                                                     .wildcard_subscriptions = false,
                                                     .subscription_identifiers = false,
                                                     .receive_maximum = 10,
                                                     .maximum_packet_size = 4096,
                                                     .topic_alias_maximum = 0,
                                                     .keepalive_s = 5}));
}

TEST(MqttSession, EndsTheSessionOfBefore) {
  SessionScript script;
  script.open();
  EXPECT_EQ(connect_version_and_flags(script).second, 0x00) << "mosquitto does not save what a clean start began";
  script.receive("20 03 01 00 00");
  EXPECT_EQ(script.sent(), hex(bytes("e0 07 00 05 11 00000000")));
  EXPECT_TRUE(script.take<ConnectFailed>().at(0).retry_at_once);
  script.open();
  EXPECT_EQ(connect_version_and_flags(script).second, 0x00);
  script.receive("20 03 00 00 00");
  EXPECT_FALSE(script.take<Connected>().at(0).session_present);
}

TEST(MqttSession, StartsCleanWhereTheSessionOfBeforeIsThereStill) {
  SessionScript script;
  for (int i = 0; i < 2; ++i) {
    script.open();
    script.receive("20 03 01 00 00");
  }
  script.effects.clear();
  script.open();
  EXPECT_EQ(connect_version_and_flags(script).second, 0x02);
  script.receive("20 03 00 00 00");
  EXPECT_EQ(script.take<Connected>().size(), 1U);
  script.drop();
  script.effects.clear();
  script.open();
  EXPECT_EQ(connect_version_and_flags(script).second, 0x00);
}

TEST(MqttSession, NamesTheReasonOfARefusal) {
  SessionScript script;
  script.open();
  script.receive("20 0a 00 87 07 1f 0004 'nope'");
  const auto failed = script.take<ConnectFailed>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].reason, "Connection refused: Not authorized (nope)");
  EXPECT_EQ(failed[0].code, ReasonCode::not_authorized);
  EXPECT_FALSE(failed[0].retry_at_once);
}

TEST(MqttSession, FallsBackTo311OnItsRefusalAndRemembers) {
  for (const char* refusal : {"20 02 00 01", "20 03 00 84 00"}) {
    SessionScript script(automatic());
    script.open();
    script.receive(refusal);
    EXPECT_TRUE(script.take<ConnectFailed>().at(0).fall_back_to_3_1_1);
    script.connect("20 02 00 00");
    EXPECT_EQ(script.take<Connected>().at(0).version, ProtocolVersion::v3_1_1);
    script.drop();
    script.effects.clear();
    script.open();
    EXPECT_EQ(connect_version_and_flags(script).first, 4);
  }
}

TEST(MqttSession, FallsBackTo311OnAClosedSocketUntil5WasAccepted) {
  SessionScript script(automatic());
  script.open();
  script.drop();
  EXPECT_TRUE(script.take<ConnectFailed>().at(0).fall_back_to_3_1_1);
  script.open();
  script.drop();
  EXPECT_FALSE(script.take<ConnectFailed>().at(0).fall_back_to_3_1_1);
  script.connect();
  EXPECT_EQ(script.take<Connected>().at(0).version, ProtocolVersion::v5);
  script.drop();
  script.open();
  script.effects.clear();
  script.drop();
  EXPECT_FALSE(script.take<ConnectFailed>().at(0).fall_back_to_3_1_1);
}

TEST(MqttSession, ClearsAnOldSessionOf311ByAConnectionOfItsOwn) {
  SessionScript script(only_311());
  script.open();
  EXPECT_EQ(connect_version_and_flags(script), std::make_pair(4, 0x00));
  script.receive("20 02 01 00");
  EXPECT_EQ(script.sent(), "e0 00");
  EXPECT_TRUE(script.take<ConnectFailed>().at(0).retry_at_once);
  script.open();
  EXPECT_EQ(connect_version_and_flags(script), std::make_pair(4, 0x02));
  script.receive("20 02 00 00");
  EXPECT_EQ(script.sent(), "e0 00");
  EXPECT_TRUE(script.take<ConnectFailed>().at(0).retry_at_once);
  script.open();
  EXPECT_EQ(connect_version_and_flags(script), std::make_pair(4, 0x00));
  script.receive("20 02 00 00");
  EXPECT_TRUE(script.session.connected());
}

TEST(MqttSession, GivesUpOnABrokerThatDoesNotAnswerConnect) {
  SessionScript script;
  script.open();
  EXPECT_EQ(script.session.next_deadline(), script.now + seconds(30));
  script.wait(seconds(30));
  script.session.on_timer(script.now, script.effects);
  EXPECT_EQ(script.take<ConnectFailed>().at(0).reason, "broker did not answer CONNECT in time");
  EXPECT_EQ(script.session.next_deadline(), kNever);
}

TEST(MqttSession, PingsAndFindsADeadPeerWithinOneAndAHalfKeepalives) {
  SessionScript script;
  script.connect();
  script.effects.clear();
  script.wait(seconds(30));
  script.session.on_timer(script.now, script.effects);
  EXPECT_EQ(script.sent(), "c0 00");
  script.wait(seconds(15));
  script.session.on_timer(script.now, script.effects);
  EXPECT_EQ(script.take<Disconnected>().at(0).reason, "broker did not answer PINGREQ in time");
  EXPECT_EQ(script.sent(), hex(bytes("e0 2a 8d 28 1f 0025 'broker did not answer PINGREQ in time'")));
}

TEST(MqttSession, CountsTheKeepaliveFromItsConnect) {
  SessionScript script;
  script.open();
  script.wait(seconds(12));
  script.receive("20 03 00 00 00");
  EXPECT_EQ(script.session.next_deadline(), script.now + seconds(18));
}

TEST(MqttSession, KeepsTheServersKeepalive) {
  SessionScript script;
  script.connect("20 06 00 00 03 13 0005");
  EXPECT_EQ(script.session.next_deadline(), script.now + seconds(5));
}

TEST(MqttSession, NamesATakeOverOfItsClientId) {
  SessionScript script;
  script.connect();
  script.receive("e0 01 8e");
  const auto gone = script.take<Disconnected>();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_TRUE(gone[0].session_taken_over);
  EXPECT_EQ(gone[0].reason, "broker disconnected: Session taken over, another client connected with the client id id");
}

TEST(MqttSession, ExposesTheServerReference) {
  SessionScript script;
  script.connect();
  script.receive("e0 08 9c 06 1c 0003 'srv'");
  EXPECT_EQ(script.take<Disconnected>().at(0).server_reference, "srv");
}

TEST(MqttSession, SaysWhyItEndsABrokenConnection) {
  SessionScript script;
  script.connect();
  script.effects.clear();
  script.receive("36 05 0001 'a' 0001");
  EXPECT_EQ(script.sent(), hex(bytes("e0 30 81 2e 1f 002b 'broker broke the protocol: QoS 3 in PUBLISH'")));
  EXPECT_EQ(script.take<Disconnected>().at(0).reason, "broker broke the protocol: QoS 3 in PUBLISH");
  script.receive("d0 00");
  EXPECT_TRUE(script.effects.events.empty());
}

TEST(MqttSession, RefusesEnhancedAuthenticationClearly) {
  SessionScript script;
  script.open();
  script.receive("f0 07 18 05 15 0002 'md'");
  EXPECT_EQ(script.take<ConnectFailed>().at(0).reason,
            "broker asks for enhanced authentication, which we do not support");
}

TEST(MqttSession, TriesNo311WhereTheBrokerSpeaks5) {
  // AUTH, and a CONNACK with a session where a clean one was asked for.
  for (const char* answer : {"f0 07 18 05 15 0002 'md'", "20 03 01 00 00"}) {
    SessionScript script(automatic());
    script.open();
    script.receive(answer);
    EXPECT_FALSE(script.take<ConnectFailed>().at(0).fall_back_to_3_1_1) << answer;
    EXPECT_EQ(script.session.version(), ProtocolVersion::v5) << answer;
  }
}

TEST(MqttSession, DoesNotSayWhyWhereTheBrokerHasNoRoomForIt) {
  SessionScript script;
  script.connect("20 08 00 00 05 27 00000014");
  script.effects.clear();
  script.receive("36 05 0001 'a' 0001");
  EXPECT_EQ(script.sent(), "e0 01 81");
}

TEST(MqttSession, NamesADisconnectByItsReason) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {"e0 00", "broker disconnected: Normal disconnection"},
      {"e0 01 8b", "broker disconnected: Server shutting down"},
      {"e0 08 97 06 1f 0003 'why'", "broker disconnected: Quota exceeded (why)"},
      {"e0 01 f0", "broker disconnected: Unknown reason code"}};
  for (const auto& [packet, reason] : cases) {
    SessionScript script;
    script.connect();
    script.receive(packet);
    EXPECT_EQ(script.take<Disconnected>().at(0).reason, reason);
  }
}

TEST(MqttSession, AsksForResponseInformation) {
  SessionScript script({.client_id = "id",
                        .version = VersionChoice::only_5,
                        .session_expiry_s = 0,
                        .user_properties = {{"k", "v"}},
                        .request_response_information = true,
                        .topic_alias_maximum = 0,
                        .packet_bytes_max = 4096});
  script.open();
  EXPECT_EQ(script.sent(),
            hex(bytes("10 1d 0004 'MQTT' 05 02 001e 0e 27 00001000 19 01 26 0001 'k' 0001 'v' 0002 'id'")));
  script.receive("20 09 00 00 06 1a 0003 'r/1'");
  EXPECT_EQ(script.take<Connected>().at(0).response_information, "r/1");
}

TEST(MqttSession, KnowsWhenTheBrokerChangedItsSessionsExpiry) {
  SessionScript script;
  script.open();
  script.receive("20 08 00 00 05 11 0000000a");
  EXPECT_EQ(script.take<Connected>().at(0).broker.session_expiry_s, 10U);
}

TEST(MqttSession, RefusesPacketsBeforeConnack) {
  SessionScript script;
  script.open();
  script.receive("30 04 0001 't' 00");
  EXPECT_EQ(script.take<ConnectFailed>().at(0).reason, "broker broke the protocol: packet before CONNACK");
}

TEST(MqttSession, DisconnectsWithACode) {
  SessionScript script;
  script.connect();
  script.effects.clear();
  script.session.disconnect(ReasonCode::disconnect_with_will, script.now, script.effects);
  EXPECT_EQ(script.sent(), "e0 01 04");
  EXPECT_TRUE(script.take<Disconnected>().at(0).by_caller);
  script.drop();
  EXPECT_TRUE(script.effects.events.empty());
}

TEST(MqttSession, SubscribesAndGivesACodeForEachFilter) {
  SessionScript script;
  script.connect();
  script.effects.clear();
  ASSERT_TRUE(script.session.subscribe({.token = 5,
                                        .entries = {{.filter = filter("a"), .qos = 1}, {.filter = filter("b")}},
                                        .subscription_identifier = 7},
                                       script.now, script.effects));
  EXPECT_EQ(script.sent(), hex(bytes("82 0d 0001 02 0b 07 0001 'a' 01 0001 'b' 00")));
  script.receive("90 05 0001 00 01 87");
  const auto subscribed = script.take<SubscribeCompleted>();
  ASSERT_EQ(subscribed.size(), 1U);
  EXPECT_EQ(subscribed[0].token, 5U);
  EXPECT_EQ(subscribed[0].codes, (std::vector{ReasonCode::granted_qos_1, ReasonCode::not_authorized}));
}

TEST(MqttSession, UnsubscribesInBothVersions) {
  SessionScript five;
  five.connect();
  ASSERT_TRUE(five.session.unsubscribe({.token = 1, .filters = {filter("a")}}, five.now, five.effects));
  five.receive("b0 04 0001 00 11");
  EXPECT_EQ(five.take<UnsubscribeCompleted>().at(0).codes, (std::vector{ReasonCode::no_subscription_existed}));
  SessionScript three(only_311());
  three.connect("20 02 00 00");
  ASSERT_TRUE(three.session.unsubscribe({.token = 1, .filters = {filter("a")}}, three.now, three.effects));
  three.receive("b0 02 0001");
  EXPECT_EQ(three.take<UnsubscribeCompleted>().at(0).codes, (std::vector{ReasonCode::success}));
}

TEST(MqttSession, TellsWhichRequestsWentWithTheConnection) {
  SessionScript script;
  script.connect();
  ASSERT_TRUE(script.session.subscribe({.token = 5, .entries = {{.filter = filter("a")}}}, script.now, script.effects));
  script.drop();
  EXPECT_TRUE(script.take<SubscribeCompleted>().at(0).lost);
}

TEST(MqttSession, TellsWhetherTheConnectionMayHaveGoneBecauseOfARequest) {
  const auto blamed = [](std::string_view disconnect) {
    SessionScript script;
    script.connect();
    EXPECT_TRUE(
        script.session.subscribe({.token = 5, .entries = {{.filter = filter("a")}}}, script.now, script.effects));
    disconnect.empty() ? script.drop() : script.receive(disconnect);
    return script.take<SubscribeCompleted>().at(0).blames_us;
  };
  EXPECT_TRUE(blamed("")) << "closed without a word";
  EXPECT_TRUE(blamed("e0 01 87")) << "not authorized";
  EXPECT_FALSE(blamed("e0 01 8b")) << "the server is shutting down";
}

TEST(MqttSession, TellsThatARequestIsLostWhoseAnswerIsWrong) {
  for (const char* answer : {"90 05 0001 00 01 01", "b0 04 0001 00 00"}) {
    SessionScript script;
    script.connect();
    const SubscribeCommand command{.token = 7, .entries = {{.filter = filter("a"), .qos = 1}}};
    ASSERT_TRUE(script.session.subscribe(command, script.now, script.effects));
    script.receive(answer);
    const auto completed = script.take<SubscribeCompleted>();
    ASSERT_EQ(completed.size(), 1U) << answer;
    EXPECT_TRUE(completed[0].lost) << answer;
    EXPECT_EQ(script.session.packet_ids_in_use(), 0U) << answer;
  }
}

TEST(MqttSession, EndsTheConnectionWhenASubackHasTheWrongNumberOfCodes) {
  SessionScript script;
  script.connect();
  ASSERT_TRUE(script.session.subscribe({.token = 5, .entries = {{.filter = filter("a")}}}, script.now, script.effects));
  script.receive("90 05 0001 00 00 00");
  EXPECT_EQ(script.take<Disconnected>().at(0).code, ReasonCode::protocol_error);
}

TEST(MqttSession, NeverSendsWhatTheBrokerDoesNotTake) {
  SessionScript script;
  script.connect("20 10 00 00 0d 24 01 25 00 27 00000020 28 00 29 00");
  script.effects.clear();
  EXPECT_EQ(script.publish(1, 2), "502 broker does not support QoS 2");
  EXPECT_EQ(script.publish(1, 1, std::string(40, 'x')), "413 message is larger than the broker takes (48 of 32 bytes)");
  const auto retained = script.session.publish(
      {.token = 1, .topic = *TopicName::parse("t"), .payload = "x", .retain = true}, script.now, script.effects);
  EXPECT_EQ(retained.error().text(), "broker does not support retained messages");
  const auto subscribe = [&](const SubscribeCommand& command) {
    return script.session.subscribe(command, script.now, script.effects).error().text();
  };
  EXPECT_EQ(subscribe({.token = 1, .entries = {{.filter = filter("#")}}}),
            "broker does not support wildcard subscriptions");
  EXPECT_EQ(subscribe({.token = 1, .entries = {{.filter = filter("a")}}, .subscription_identifier = 1}),
            "broker does not support subscription identifiers");
  EXPECT_EQ(subscribe({.token = 1, .entries = {{.filter = filter(std::string(40, 'a'))}}}),
            "message is larger than the broker takes (48 of 32 bytes)");
  EXPECT_EQ(script.sent(), "");
}

TEST(MqttSession, RefusesWhat311DoesNotHave) {
  SessionScript script(only_311());
  script.connect("20 02 00 00");
  const auto published = script.session.publish(
      {.token = 1, .topic = *TopicName::parse("t"), .payload = "x", .properties = {.content_type = "text/plain"}},
      script.now, script.effects);
  EXPECT_EQ(published.error().text(), "properties need MQTT 5, and the broker speaks 3.1.1");
  const auto subscribed = script.session.subscribe({.token = 1, .entries = {{.filter = filter("a"), .no_local = true}}},
                                                   script.now, script.effects);
  EXPECT_EQ(subscribed.error().text(), "subscription options need MQTT 5, and the broker speaks 3.1.1");
}

TEST(MqttSession, RefusesCommandsWithoutAConnection) {
  SessionScript script;
  EXPECT_EQ(script.publish(1, 1), "503 MQTT client is not connected");
  EXPECT_EQ(
      script.session.unsubscribe({.token = 1, .filters = {filter("a")}}, script.now, script.effects).error().text(),
      "MQTT client is not connected");
}

TEST(MqttSession, TellsPingsApartFromThoseOfTheKeepalive) {
  SessionScript script({.client_id = "id", .version = VersionChoice::only_5, .keepalive_s = 10});
  script.connect();
  script.wait(seconds(10));
  script.session.on_timer(script.now, script.effects);
  script.session.ping(7, script.now, script.effects);
  EXPECT_EQ(script.sent(), hex(bytes("c0 00 c0 00")));
  script.receive("d0 00");
  EXPECT_EQ(script.take<PingCompleted>().size(), 0U);
  script.receive("d0 00");
  EXPECT_EQ(script.take<PingCompleted>().at(0).token, 7U);
  script.receive("d0 00");
  EXPECT_EQ(script.take<PingCompleted>().size(), 0U) << "nobody asked";
}

TEST(MqttSession, APingIsForgottenWithItsConnection) {
  SessionScript script;
  script.connect();
  script.session.ping(7, script.now, script.effects);
  script.drop();
  script.resume();
  script.receive("d0 00");
  EXPECT_EQ(script.take<PingCompleted>().size(), 0U);
}

TEST(MqttSession, ResolvesTopicAliases) {
  SessionScript script;
  script.connect();
  script.receive(
      "30 08 0001 'a' 03 23 0001 '1' 30 07 0000 03 23 0001 '2' 30 08 0001 'b' 03 23 0001 '3' 30 07 0000 03 23 0001 "
      "'4'");
  EXPECT_EQ(script.messages(), (Texts{"a 1", "a 2", "b 3", "b 4"}));
}

TEST(MqttSession, RefusesAliasesItHasNotAllowedOrDoesNotKnow) {
  for (const char* written : {"30 08 0001 'a' 03 23 0041 '1'", "30 07 0000 03 23 0002 '1'"}) {
    SessionScript script;
    script.connect();
    script.receive(written);
    EXPECT_EQ(script.take<Disconnected>().at(0).code, ReasonCode::topic_alias_invalid) << written;
  }
}

TEST(MqttSession, ForgetsTheBrokersAliasesWithItsConnection) {
  SessionScript script;
  script.connect();
  script.receive("30 08 0001 'a' 03 23 0001 '1'");
  script.drop();
  script.connect("20 03 01 00 00");
  script.effects.clear();
  script.receive("30 07 0000 03 23 0001 '2'");
  EXPECT_EQ(script.take<Disconnected>().at(0).code, ReasonCode::topic_alias_invalid);
}

TEST(MqttSession, UsesTopicAliasesWhereTheBrokerAllowsThem) {
  SessionScript script;
  script.connect("20 06 00 00 03 22 0001");
  script.effects.clear();
  EXPECT_EQ(script.publish(1, 0), "");
  EXPECT_EQ(script.publish(2, 0), "");
  EXPECT_EQ(script.sent(), hex(bytes("30 08 0001 't' 03 23 0001 'x' 30 07 0000 03 23 0001 'x'")));
  EXPECT_EQ(script.completed(), (Texts{"1 taken", "2 taken"}));
}

}  // namespace
}  // namespace famemely::mqtt
