#include "protocol/jwt/strict_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::jwt {
namespace {

using ::testing::HasSubstr;

std::string fault(std::string_view text) {
  const auto view = parse_strict_object(text, "the header");
  return view ? "none" : view.error();
}

TEST(StrictJson, TakesAnObject) { EXPECT_EQ(fault(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})"), "none"); }

TEST(StrictJson, RefusesAnythingElse) {
  for (std::string_view text : {"[]", "1", "null", "\"{}\""}) EXPECT_EQ(fault(text), "the header is not a JSON object");
  for (std::string_view text : {"", "{", "{} {}", "{}x", "{\"a\":1,}"})
    EXPECT_THAT(fault(text), HasSubstr("the header is not valid JSON"));
  EXPECT_EQ(fault("{\"a\":\"\xff\"}"), "the header is not UTF-8");
}

TEST(StrictJson, RefusesAMemberThatStandsTwice) {
  for (std::string_view text : {R"({"a":1,"a":1})", R"({"\u0061":1,"a":2})", R"({"b":[{"a":1,"a":2}]})"})
    EXPECT_EQ(fault(text), "the header has a twice");
}

TEST(StrictJson, RefusesDeepNesting) {
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  EXPECT_EQ(fault(nested(63)), "none");
  EXPECT_THAT(fault(nested(64)), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace famemely::jwt
