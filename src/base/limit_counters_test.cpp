#include "base/limit_counters.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(LimitCounters, CountEachByItself) {
  LimitCounters counters;
  counters.count(Limit::origin);
  counters.count(Limit::origin);
  counters.count(Limit::tls_handshake);
  EXPECT_EQ(counters.of(Limit::origin), 2U);
  EXPECT_EQ(counters.of(Limit::tls_handshake), 1U);
  EXPECT_EQ(counters.of(Limit::connections), 0U);
}

TEST(LimitCounters, NobodyNeedListen) { count(nullptr, Limit::origin); }

TEST(LimitCounters, AreNamedAsInTheStatistics) {
  EXPECT_EQ(name_of(Limit::connections), "connections");
  EXPECT_EQ(name_of(Limit::publish_rate_per_user), "publishRatePerUser");
  EXPECT_EQ(name_of(Limit::tls_handshake), "tlsHandshake");
}

}  // namespace
}  // namespace famemely
