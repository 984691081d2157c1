#include "app/mqtt_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MqttUrl, RecognisesAllFourSchemes) {
  EXPECT_EQ(parse_mqtt_url("mqtt://broker"), (MqttUrl{BrokerProtocol::mqtt, "broker", {}, "", "", ""}));
  EXPECT_EQ(parse_mqtt_url("mqtts://broker"), (MqttUrl{BrokerProtocol::mqtts, "broker", {}, "", "", ""}));
  EXPECT_EQ(parse_mqtt_url("ws://broker"), (MqttUrl{BrokerProtocol::ws, "broker", {}, "", "", ""}));
  EXPECT_EQ(parse_mqtt_url("WSS://broker"), (MqttUrl{BrokerProtocol::wss, "broker", {}, "", "", ""}));
}

TEST(MqttUrl, HasUserPasswordPortAndPath) {
  EXPECT_EQ(parse_mqtt_url("wss://me:pass@b.example:8884/mqtt/x"),
            (MqttUrl{BrokerProtocol::wss, "b.example", 8884, "me", "pass", "/mqtt/x"}));
  EXPECT_EQ(parse_mqtt_url("mqtt://me@b:1/"), (MqttUrl{BrokerProtocol::mqtt, "b", 1, "me", "", ""}));
}

TEST(MqttUrl, KeepsThePathAndQueryOfAWebSocket) {
  EXPECT_EQ(parse_mqtt_url("wss://b/mqtt?a=b%20c&d"),
            (MqttUrl{BrokerProtocol::wss, "b", {}, "", "", "/mqtt?a=b%20c&d"}));
  EXPECT_EQ(parse_mqtt_url("ws://u:p@b:81?a"), (MqttUrl{BrokerProtocol::ws, "b", 81, "u", "p", "/?a"}));
  EXPECT_EQ(parse_mqtt_url("ws://b/"), (MqttUrl{BrokerProtocol::ws, "b", {}, "", "", ""}));
  EXPECT_EQ(parse_mqtt_url("mqtts://b/path"), (MqttUrl{BrokerProtocol::mqtts, "b", {}, "", "", ""}));
}

TEST(MqttUrl, DecodesUserAndPassword) {
  EXPECT_EQ(parse_mqtt_url("mqtt://a%40b:p%3Aq:r@c"), (MqttUrl{BrokerProtocol::mqtt, "c", {}, "a@b", "p:q:r", ""}));
  EXPECT_EQ(parse_mqtt_url("mqtt://a:p@q@c"), (MqttUrl{BrokerProtocol::mqtt, "c", {}, "a", "p@q", ""}));
}

TEST(MqttUrl, TakesIpv6InBrackets) {
  EXPECT_EQ(parse_mqtt_url("mqtt://[::1]:1884"), (MqttUrl{BrokerProtocol::mqtt, "::1", 1884, "", "", ""}));
  EXPECT_EQ(parse_mqtt_url("mqtt://[fe80::1]"), (MqttUrl{BrokerProtocol::mqtt, "fe80::1", {}, "", "", ""}));
}

TEST(MqttUrl, RefusesTheMalformedWithoutRepeatingIt) {
  for (std::string_view bad : {"",
                               "broker",
                               "broker:1883",
                               "tcp://hunter2",
                               "http://hunter2",
                               "mqtt:hunter2",
                               "mqtt://",
                               "mqtt://hunter2:0",
                               "mqtt://hunter2:65536",
                               "mqtt://hunter2:",
                               "mqtt://hunter2:x",
                               "mqtt://:hunter2@b",
                               "mqtt://u:hunter2%zz@b",
                               "mqtt://u:hunter2%FF@b",
                               "mqtt://u:hunter2%00@b",
                               "mqtt://u:hunter2@",
                               "mqtt://b/?hunter2",
                               "mqtts://b?hunter2",
                               "ws://u:hunter2?@b",
                               "ws://b/hunter2 x",
                               "ws://b/hunter2\xC3\xA4",
                               "ws://b/#hunter2",
                               "mqtt://[::1",
                               "mqtt://[hunter2]",
                               "mqtt://[::1]x",
                               "mqtt://hunter2 b",
                               "mqtt://::1"}) {
    const auto url = parse_mqtt_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_THAT(url.error(), Not(HasSubstr("hunter2")));
  }
}

TEST(MqttUrl, KnowsTheUsualPorts) {
  EXPECT_EQ(default_port(BrokerProtocol::mqtt), 1883);
  EXPECT_EQ(default_port(BrokerProtocol::mqtts), 8883);
  EXPECT_EQ(default_port(BrokerProtocol::ws), 80);
  EXPECT_EQ(default_port(BrokerProtocol::wss), 443);
}

TEST(Host, IsANameOrAnAddress) {
  for (std::string_view good : {"broker", "b.example.com", "10.0.0.1", "::1", "fe80::1%eth0", "my_broker"})
    EXPECT_TRUE(is_host(good)) << good;
  for (std::string_view bad : {"", "b:1883", "mqtt://b", "b/c", "a b", "[::1]", "a@b"})
    EXPECT_FALSE(is_host(bad)) << bad;
}

}  // namespace
}  // namespace famemely::app
