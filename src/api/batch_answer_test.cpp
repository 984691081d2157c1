#include "api/batch_answer.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

constexpr std::string_view kEpoch = "1970-01-01T00:00:00.000Z";

std::string success(std::string_view topic) {
  return R"({"success":true,"topic":")" + std::string(topic) + R"(","timestamp":")" + std::string(kEpoch) + "\"}";
}

TEST(BatchAnswer, PutsEachResultInItsPlace) {
  BatchAnswer answer(2);
  answer.sent(0, "a");
  answer.sent(1, "b");
  answer.note(1, std::nullopt, WallTime{});
  EXPECT_FALSE(answer.complete());
  answer.note(0, std::nullopt, WallTime{});
  EXPECT_TRUE(answer.complete());
  EXPECT_EQ(answer.json(), R"({"success":true,"results":[)" + success("a") + "," + success("b") + "]}");
}

TEST(BatchAnswer, IsASuccessOnlyIfAllAre) {
  BatchAnswer answer(2);
  answer.note(0, Error{ErrorCode::bad_request, "", {"one", "two"}}, WallTime{});
  answer.sent(1, "b");
  answer.note(1, std::nullopt, WallTime{});
  EXPECT_EQ(answer.json(), R"({"success":false,"results":[{"success":false,"statusCode":400,"message":"one; two"},)" +
                               success("b") + "]}");
}

}  // namespace
}  // namespace famemely::api
