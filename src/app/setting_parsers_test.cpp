#include "app/setting_parsers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::app {
namespace {

using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

TEST(ListenAddresses, AreIpAddressesOrLocalhost) {
  EXPECT_EQ(parse_listen_addresses("127.0.0.1"), Texts{"127.0.0.1"});
  EXPECT_EQ(parse_listen_addresses("0.0.0.0, [::1],::"), (Texts{"0.0.0.0", "::1", "::"}));
  EXPECT_EQ(parse_listen_addresses("LocalHost"), (Texts{"127.0.0.1", "::1"}));
  EXPECT_EQ(parse_listen_addresses("*"), Texts{});
}

TEST(ListenAddresses, RefuseHostNamesAndPorts) {
  for (std::string_view bad : {"my-machine", "127.0.0.1:80", "127.1", "256.0.0.1", "*,::1", ",", "[::1"})
    EXPECT_FALSE(parse_listen_addresses(bad)) << bad;
}

TEST(Origins, AreSchemeHostAndPort) {
  EXPECT_EQ(parse_origins("https://App.Example.com, http://localhost:3000,capacitor://localhost,http://[::1]:80"),
            (Texts{"https://app.example.com", "http://localhost:3000", "capacitor://localhost", "http://[::1]"}));
  EXPECT_EQ(parse_origins("*"), Texts{"*"});
}

TEST(Origins, LosePortsThatGoWithoutSaying) {
  EXPECT_EQ(parse_origins("https://a:443,http://a:80,https://a:80,http://a:443"),
            (Texts{"https://a", "http://a", "https://a:80", "http://a:443"}));
}

TEST(Origins, RefuseWhatNoBrowserSends) {
  EXPECT_THAT(parse_origins("https://a/").error(), HasSubstr("more than scheme, host and port"));
  EXPECT_THAT(parse_origins("https://a/path").error(), HasSubstr("more than scheme, host and port"));
  EXPECT_THAT(parse_origins("app.example.com").error(), HasSubstr("lacks a scheme"));
  EXPECT_THAT(parse_origins("https://*.example.com").error(), HasSubstr("wildcard"));
  EXPECT_THAT(parse_origins("*,https://a").error(), HasSubstr("stands alone"));
  for (std::string_view bad : {"null", "https://", "https://a:0", "https://a:x", "https://a b", "https://u@a", "://a"})
    EXPECT_FALSE(parse_origins(bad)) << bad;
}

TEST(HttpUrl, LosesSlashesAtItsEnd) {
  EXPECT_EQ(parse_http_url("https://p.supabase.co//"), "https://p.supabase.co");
  EXPECT_EQ(parse_http_url("http://127.0.0.1:54321"), "http://127.0.0.1:54321");
  EXPECT_EQ(parse_http_url("HTTPS://a/base/"), "HTTPS://a/base");
}

TEST(HttpUrl, RefusesOtherUrls) {
  for (std::string_view bad :
       {"", "p.supabase.co", "ftp://a", "https://", "https://a?b", "https://a#b", "https://u:p@a", "https://a:99999"})
    EXPECT_FALSE(parse_http_url(bad)) << bad;
}

TEST(DatabaseUrl, IsOfSqliteOrPostgres) {
  for (std::string_view good : {"sqlite:famemely.db", "sqlite::memory:", "postgres://u:p@h/d", "postgresql://h/d"})
    EXPECT_TRUE(is_database_url(good)) << good;
  for (std::string_view bad : {"", "sqlite:", "mysql://h/d", "famemely.db", "postgres://"})
    EXPECT_FALSE(is_database_url(bad)) << bad;
}

TEST(HidePassword, HidesWhatStandsBeforeTheAt) {
  EXPECT_EQ(hide_password("postgres://u:secret@h/d"), "postgres://u:***@h/d");
  EXPECT_EQ(hide_password("mqtt://u:se:c@ret@h:1883"), "mqtt://u:***@h:1883");
  EXPECT_EQ(hide_password("u:secret@h"), "u:***@h");
  EXPECT_EQ(hide_password("postgres://u@h:5432/d"), "postgres://u@h:5432/d");
  EXPECT_EQ(hide_password("sqlite:famemely.db"), "sqlite:famemely.db");
  EXPECT_EQ(hide_password("wss://u:secret@h/mqtt?token=x"), "wss://u:***@h/mqtt?***");
  EXPECT_EQ(hide_password("/mqtt?token=x"), "/mqtt?***");
  EXPECT_EQ(hide_password("host=h password=hunter2 user=u"), "host=h password=***");
  EXPECT_EQ(hide_password("host=h PASSWORD = 'hunter 2'"), "host=h PASSWORD=***");
  EXPECT_EQ(hide_password("password=a@b:c@d"), "password=***");
  EXPECT_EQ(hide_password("postgres://u:hunter2@h/passwords"), "postgres://u:***@h/passwords");
  EXPECT_EQ(hide_password("wss://h:8884/mqtt?token=a@b"), "wss://h:***");
  EXPECT_EQ(hide_password("ws://h/mqtt?token=a:b@c"), "ws://h/mqtt?***");
}

std::string headers(std::string_view text) {
  const auto fields = parse_ws_headers(text);
  if (!fields) return "fault: " + fields.error();
  std::string out;
  for (const auto& [name, value] : *fields) out.append(name).append("=").append(value).append(";");
  return out;
}

TEST(WsHeaders, AreNamesAndValuesBetweenBars) {
  EXPECT_EQ(headers("Authorization: Bearer a:b"), "Authorization=Bearer a:b;");
  EXPECT_EQ(headers(" X-A:1|X-B :  2 3 "), "X-A=1;X-B=2 3;");
  EXPECT_EQ(headers("X-A: a||b||||c | X-B: "), "X-A=a|b||c;X-B=;");
}

TEST(WsHeaders, RefuseTheHandshakesOwnAndTheMalformed) {
  EXPECT_EQ(headers("Host: x"), "fault: the header \"Host\" can't be set");
  EXPECT_EQ(headers("X-A: 1 | sec-websocket-protocol: x"), "fault: the header \"sec-websocket-protocol\" can't be set");
  EXPECT_EQ(headers("X A: 1"), "fault: the header \"X A\" can't be set");
  EXPECT_EQ(headers(": hunter2"), "fault: the header \"\" can't be set");
  EXPECT_EQ(headers("hunter2"), "fault: every header needs a name, a colon and a value");
  EXPECT_EQ(headers("X-A: 1 |"), "fault: every header needs a name, a colon and a value");
  EXPECT_EQ(headers("X-A: " + std::string(8192, 'x')), "fault: it is longer than 8192 bytes");
}

TEST(RequestTarget, IsAPathAndAQuery) {
  for (std::string_view good : {"/", "/mqtt", "/a/b?c=d&e=%20", "/?x"}) EXPECT_TRUE(is_request_target(good)) << good;
  for (std::string_view bad : {"", "mqtt", "?x", "/a b", "/a#b", "/\xC3\xA4", "/a\r"})
    EXPECT_FALSE(is_request_target(bad)) << bad;
}

TEST(Alpn, IsAListOfNames) {
  EXPECT_EQ(parse_alpn("mqtt, x-amzn-mqtt-ca"), (std::vector<std::string>{"mqtt", "x-amzn-mqtt-ca"}));
  EXPECT_FALSE(parse_alpn(","));
  EXPECT_FALSE(parse_alpn(std::string(256, 'x')));
}

TEST(AddressRanges, AreIpAddressesWithOrWithoutANumberOfBits) {
  EXPECT_EQ(parse_address_ranges("10.0.0.0/8, ::1").value(), (std::vector<std::string>{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(parse_address_ranges("proxy.local").error(), "proxy.local is no IP address");
  EXPECT_FALSE(parse_address_ranges("10.0.0.0/33"));
  EXPECT_FALSE(parse_address_ranges(","));
}

}  // namespace
}  // namespace famemely::app
