#include "api/request_schema.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

std::vector<std::string> complaints(std::string_view json) {
  const auto view = JsonView::parse(json);
  const auto found = check_members(*view, kPublishMembers);
  return found ? std::vector<std::string>{} : found.error().details;
}

TEST(RequestSchema, AcceptsAWholeRequest) {
  EXPECT_TRUE(
      complaints(R"({"topic":"a","payload":null,"qos":2,"retain":true,"encoding":"text","properties":{}})").empty());
}

TEST(RequestSchema, TakesNullOfAnOptionalMemberForAbsent) {
  EXPECT_TRUE(complaints(R"({"topic":"a","payload":1,"qos":null,"retain":null})").empty());
}

TEST(RequestSchema, TellsAllThatIsWrongAtOnce) {
  EXPECT_EQ(complaints(R"({"topic":1,"qos":3,"x":1,"retain":"yes","encoding":"hex","properties":[]})"),
            (std::vector<std::string>{
                "property x should not exist", "topic must be a string", "payload should not be empty",
                "qos must be one of the following values: 0, 1, 2", "retain must be a boolean value",
                "encoding must be one of the following values: json, text, base64", "properties must be an object"}));
}

TEST(RequestSchema, RefusesTextThatIsNone) {
  EXPECT_EQ(complaints(R"({"topic":"a\ud800","payload":1})"),
            std::vector<std::string>{"topic must not hold a lone surrogate"});
  EXPECT_TRUE(complaints(R"({"topic":"a\ud83d\ude00","payload":1})").empty());
}

TEST(RequestSchema, AnswersNoMoreThanSomebodyReads) {
  std::string json = "{";
  for (int i = 0; i < 5'000; ++i) json += "\"" + std::to_string(i) + "\":1,";
  const auto told = complaints(json + R"("topic":1})");
  ASSERT_EQ(told.size(), kUnknownMembersToldMax + 2);
  EXPECT_EQ(told[kUnknownMembersToldMax], "topic must be a string")
      << "what is wrong with known members is told anyway";

  std::string name;
  while (name.size() < 10 * kUnknownNameBytesMax) name += "\u20AC";
  const auto shortened = complaints("{\"topic\":\"a\",\"payload\":1,\"" + name + "\":1}");
  ASSERT_EQ(shortened.size(), 1U);
  EXPECT_EQ(shortened[0], "property " + name.substr(0, 99) + "\u2026 should not exist");
}

TEST(RequestSchema, CountsTheMessagesOfABatch) {
  const auto complaint = [](std::size_t count) {
    std::string json = "{\"messages\":[";
    for (std::size_t i = 0; i < count; ++i) json += i ? ",{}" : "{}";
    const auto view = JsonView::parse(json += "]}");
    const auto found = check_members(*view, kBatchMembers);
    return found ? "" : found.error().text();
  };
  EXPECT_EQ(complaint(0), "messages should not be empty");
  EXPECT_EQ(complaint(1'000), "");
  EXPECT_EQ(complaint(1'001), "messages must contain no more than 1000 elements");
}

TEST(RequestSchema, ReportsAMissingTopicAsNestDoes) {
  EXPECT_EQ(complaints(R"({"payload":1})"), std::vector<std::string>{"topic must be a string"});
}

}  // namespace
}  // namespace famemely::api
