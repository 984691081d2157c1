#include "base/error.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(Error, NamesStatusAndReason) {
  const Error error{ErrorCode::broker_timeout, "late"};
  EXPECT_EQ(error.status(), 504);
  EXPECT_EQ(error.reason(), "Gateway Timeout");
  EXPECT_EQ(error.text(), "late");
}

TEST(Error, JoinsDetails) {
  const Error error{ErrorCode::bad_request, "", {"topic must be a string", "property x should not exist"}};
  EXPECT_EQ(error.text(), "topic must be a string; property x should not exist");
}

}  // namespace
}  // namespace famemely
