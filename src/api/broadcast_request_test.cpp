#include "api/broadcast_request.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

std::string payload(std::string_view body) {
  const auto message = read_broadcast(*JsonView::parse(body), WallTime{}, {});
  return message ? message->payload : message.error().text();
}

TEST(BroadcastRequest, AddsItsMarkAndTheTime) {
  EXPECT_EQ(payload(R"({"topic":"t","message":{"a":1}})"),
            R"({"a":1,"broadcast":true,"timestamp":"1970-01-01T00:00:00.000Z"})");
  EXPECT_EQ(payload(R"({"topic":"t","message":{ }})"), R"({ "broadcast":true,"timestamp":"1970-01-01T00:00:00.000Z"})");
}

TEST(BroadcastRequest, LeavesTheTimeAwayIfAsked) {
  EXPECT_EQ(payload(R"({"topic":"t","message":{"a":1},"includeTimestamp":false})"), R"({"a":1,"broadcast":true})");
}

TEST(BroadcastRequest, TheMessagesOwnMembersWin) {
  EXPECT_EQ(payload(R"({"topic":"t","message":{"timestamp":5,"broadcast":"x"}})"),
            R"({"timestamp":5,"broadcast":"x"})");
}

TEST(BroadcastRequest, KeepsEveryDigit) {
  EXPECT_EQ(payload(R"({"topic":"t","message":{"n":12345678901234567890.10},"includeTimestamp":false})"),
            R"({"n":12345678901234567890.10,"broadcast":true})");
}

TEST(BroadcastRequest, SaysWhatIsWrong) {
  EXPECT_EQ(payload(R"({"topic":"t","message":"text"})"), "message must be an object");
  EXPECT_NE(payload(R"({"topic":"a/#","message":{}})"), "");
}

}  // namespace
}  // namespace famemely::api
