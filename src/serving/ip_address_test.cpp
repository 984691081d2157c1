#include "serving/ip_address.hpp"

#include <gtest/gtest.h>

namespace famemely::serving {
namespace {

bool contains(std::string_view range, std::string_view address) {
  return AddressRange::parse(range).value().contains(IpAddress::parse(address).value());
}

TEST(IpAddress, ReadsBothKinds) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::parse("192.0.2.1"));
}

TEST(IpAddress, TakesNothingElse) {
  for (std::string_view text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "a", "fe80::1%eth0", "1.2.3.4 ", "[::1]",
                                "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, OfIpv6TheNetworkIsCounted) {
  const auto name = [](std::string_view text) { return IpAddress::parse(text)->account_name(); };
  EXPECT_EQ(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff::9"));
  EXPECT_NE(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
  EXPECT_NE(name("192.0.2.1"), name("192.0.2.2"));
}

TEST(AddressRange, HoldsWhatSharesItsBits) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(contains("172.16.0.0/12", "172.32.0.0"));
  EXPECT_TRUE(contains("fd00::/8", "fd12::1"));
  EXPECT_FALSE(contains("fd00::/8", "fe00::1"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.8"));
}

TEST(AddressRange, NothingOfOneKindIsInARangeOfTheOther) {
  EXPECT_TRUE(contains("0.0.0.0/0", "1.2.3.4"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(contains("::/0", "192.0.2.1"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
}

TEST(AddressRange, SaysWhatIsWrong) {
  EXPECT_EQ(AddressRange::parse("localhost").error(), "localhost is no IP address");
  for (std::string_view text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "::1/129", "10.0.0.0/8/8"})
    EXPECT_FALSE(AddressRange::parse(text)) << text;
}

}  // namespace
}  // namespace famemely::serving
