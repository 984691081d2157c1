#include "base/instant.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(Iso8601, WritesMillisecondsAndZulu) {
  EXPECT_EQ(to_iso8601(WallTime{std::chrono::milliseconds{1760090400007}}), "2025-10-10T10:00:00.007Z");
}

TEST(Iso8601, WritesTheEpoch) { EXPECT_EQ(to_iso8601(WallTime{}), "1970-01-01T00:00:00.000Z"); }

}  // namespace
}  // namespace famemely
