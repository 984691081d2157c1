#include "serving/trusted_proxies.hpp"

#include <gtest/gtest.h>

namespace famemely::serving {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

const TrustedProxies kProxies({AddressRange::parse("10.0.0.0/8").value(), AddressRange::parse("::1").value()});

std::string client(std::string_view peer, std::initializer_list<const char*> forwarded) {
  HttpFields fields;
  for (const char* value : forwarded) fields.add("X-Forwarded-For", value);
  return kProxies.sender_of(fields, {ip(peer)}).address.text();
}

TEST(TrustedProxies, ATrustedPeerSaysWhoItSpeaksFor) {
  EXPECT_EQ(client("10.0.0.1", {"203.0.113.5"}), "203.0.113.5");
  EXPECT_EQ(client("::1", {"2001:db8::7"}), "2001:db8::7");
}

TEST(TrustedProxies, ASpoofedHeaderOfAnybodyElseIsNotLookedAt) {
  EXPECT_EQ(client("203.0.113.5", {"1.2.3.4"}), "203.0.113.5");
}

TEST(TrustedProxies, WhatTheClientWroteItselfStandsFurtherLeftAndDoesNotCount) {
  EXPECT_EQ(client("10.0.0.1", {"1.2.3.4, 203.0.113.5"}), "203.0.113.5");
  EXPECT_EQ(client("10.0.0.1", {"1.2.3.4", "203.0.113.5"}), "203.0.113.5");
  EXPECT_EQ(client("10.0.0.1", {"10.9.9.9, 203.0.113.5, 10.0.0.2"}), "203.0.113.5");
}

TEST(TrustedProxies, WithoutAnAddressOfItsClientItIsTheProxyItself) {
  EXPECT_EQ(client("10.0.0.1", {}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {""}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"unknown"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"203.0.113.5, _hidden, 10.0.0.2"}), "10.0.0.2");
  EXPECT_EQ(client("10.0.0.1", {"10.0.0.3, 10.0.0.2"}), "10.0.0.3");
}

TEST(TrustedProxies, PortsAndBracketsAreTakenOff) {
  EXPECT_EQ(client("10.0.0.1", {"203.0.113.5:4711"}), "203.0.113.5");
  EXPECT_EQ(client("10.0.0.1", {"[2001:db8::7]:443"}), "2001:db8::7");
  EXPECT_EQ(client("10.0.0.1", {"[2001:db8::7]"}), "2001:db8::7");
}

TEST(TrustedProxies, TheSchemeIsTheLastProxys) {
  HttpFields fields;
  fields.add("X-Forwarded-Proto", "http, HTTPS");
  EXPECT_TRUE(kProxies.sender_of(fields, {ip("10.0.0.1")}).secure);
  EXPECT_FALSE(kProxies.sender_of(fields, {ip("203.0.113.5")}).secure);
  HttpFields plain;
  plain.add("X-Forwarded-Proto", "http");
  EXPECT_FALSE(kProxies.sender_of(plain, {ip("10.0.0.1"), true}).secure);
  EXPECT_TRUE(kProxies.sender_of({}, {ip("10.0.0.1"), true}).secure);
}

TEST(TrustedProxies, NobodyIsTrustedUnlessNamed) {
  HttpFields fields;
  fields.add("X-Forwarded-For", "1.2.3.4");
  EXPECT_EQ(TrustedProxies().sender_of(fields, {ip("127.0.0.1")}).address, ip("127.0.0.1"));
}

}  // namespace
}  // namespace famemely::serving
