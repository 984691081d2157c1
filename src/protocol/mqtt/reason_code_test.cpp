#include "protocol/mqtt/reason_code.hpp"

#include <gtest/gtest.h>

#include <set>

namespace famemely::mqtt {
namespace {

TEST(ReasonCode, IsNamedAsInTheSpecification) {
  EXPECT_EQ(name_of(ReasonCode::not_authorized), "Not authorized");
  EXPECT_EQ(name_of(static_cast<ReasonCode>(0xA2)), "Wildcard Subscriptions not supported");
  EXPECT_EQ(name_of(static_cast<ReasonCode>(0x55)), "Unknown reason code");
}

TEST(ReasonCode, FortyThreeValuesHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (int value = 0; value < 256; ++value) names.insert(name_of(static_cast<ReasonCode>(value)));
  EXPECT_EQ(names.size(), 43U + 1U);
}

TEST(ReasonCode, FailuresBeginAt128) {
  EXPECT_FALSE(is_failure(ReasonCode::no_matching_subscribers));
  EXPECT_TRUE(is_failure(ReasonCode::unspecified_error));
}

TEST(ReturnCode, IsNamedAndTranslated) {
  EXPECT_EQ(name_of_return_code(5), "Connection Refused, not authorized");
  EXPECT_EQ(reason_of_return_code(5), ReasonCode::not_authorized);
  EXPECT_EQ(reason_of_return_code(1), ReasonCode::unsupported_protocol_version);
  EXPECT_EQ(reason_of_return_code(77), ReasonCode::unspecified_error);
}

}  // namespace
}  // namespace famemely::mqtt
