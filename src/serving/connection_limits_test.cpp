#include "serving/connection_limits.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace famemely::serving {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow{1h};

TEST(ConnectionLimits, InAllThereAreSoMany) {
  LimitCounters counters;
  ConnectionLimits limits({.in_all = 2}, counters);
  auto one = limits.connect("192.0.2.1", kNow);
  const auto two = limits.connect("192.0.2.2", kNow);
  const auto three = limits.connect("192.0.2.3", kNow);
  ASSERT_FALSE(three);
  EXPECT_EQ(three.error().status, 503);
  EXPECT_EQ(counters.of(Limit::connections), 1U);
  one->reset();
  EXPECT_TRUE(limits.connect("192.0.2.3", kNow));
}

TEST(ConnectionLimits, OfAnAddressThereAreSoMany) {
  LimitCounters counters;
  ConnectionLimits limits({.per_address = 1}, counters);
  auto one = limits.connect("192.0.2.1", kNow);
  ASSERT_FALSE(limits.connect("192.0.2.1", kNow));
  EXPECT_EQ(limits.connect("::ffff:192.0.2.1", kNow).error().status, 429);
  EXPECT_TRUE(limits.connect("192.0.2.2", kNow));
  EXPECT_EQ(counters.of(Limit::connections_per_address), 2U);
  one->reset();
  EXPECT_TRUE(limits.connect("192.0.2.1", kNow));
}

TEST(ConnectionLimits, ARefusalForTheAddressTakesNothingOfAll) {
  LimitCounters counters;
  ConnectionLimits limits({.in_all = 2, .per_address = 1}, counters);
  const auto one = limits.connect("192.0.2.1", kNow);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limits.connect("192.0.2.1", kNow));
  EXPECT_TRUE(limits.connect("192.0.2.2", kNow));
}

TEST(ConnectionLimits, AProxysConnectionsAreNoAddresss) {
  LimitCounters counters;
  ConnectionLimits limits({.per_address = 1}, counters);
  std::vector<engineio::Admission::Place> places;
  for (int i = 0; i < 10; ++i) places.push_back(limits.connect(std::nullopt, kNow).value());
}

TEST(ConnectionLimits, SessionsAreCountedBesideConnections) {
  LimitCounters counters;
  ConnectionLimits limits({.per_address = 1}, counters);
  const auto connection = limits.connect("192.0.2.1", kNow);
  const auto session = limits.admit("192.0.2.1", kNow);
  ASSERT_TRUE(session);
  EXPECT_FALSE(limits.admit("192.0.2.1", kNow));
  EXPECT_EQ(counters.of(Limit::sessions_per_address), 1U);
}

TEST(ConnectionLimits, OfIpv6TheNetworkCountsAsOne) {
  LimitCounters counters;
  ConnectionLimits limits({.per_address = 1}, counters);
  const auto one = limits.connect("2001:db8::1", kNow);
  EXPECT_FALSE(limits.connect("2001:db8::2", kNow));
  EXPECT_TRUE(limits.connect("2001:db8:0:1::1", kNow));
}

TEST(ConnectionLimits, RequestsOfAnAddressComeSoFast) {
  LimitCounters counters;
  ConnectionLimits limits({.requests_per_address = Rate{1}}, counters);
  EXPECT_FALSE(limits.refuse_request("192.0.2.1", kNow));
  EXPECT_FALSE(limits.refuse_request("192.0.2.1", kNow));
  ASSERT_TRUE(limits.refuse_request("192.0.2.1", kNow));
  EXPECT_EQ(limits.refuse_request("192.0.2.1", kNow)->status, 429);
  EXPECT_FALSE(limits.refuse_request("192.0.2.2", kNow));
  EXPECT_FALSE(limits.refuse_request("192.0.2.1", kNow + 1s));
  EXPECT_EQ(counters.of(Limit::request_rate_per_address), 2U);
}

TEST(ConnectionLimits, OffTheyRefuseNothing) {
  LimitCounters counters;
  ConnectionLimits limits({}, counters);
  std::vector<engineio::Admission::Place> places;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limits.connect("192.0.2.1", kNow));
    EXPECT_TRUE(limits.admit("192.0.2.1", kNow));
    EXPECT_FALSE(limits.refuse_request("192.0.2.1", kNow));
  }
}

}  // namespace
}  // namespace famemely::serving
