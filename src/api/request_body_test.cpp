#include "api/request_body.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

HttpRequest request(std::string body, std::string_view type = "application/json") {
  HttpRequest made{.method = "POST", .target = "/", .fields = {}, .body = std::move(body), .remote_address = {}};
  if (!type.empty()) made.fields.add("Content-Type", std::string(type));
  return made;
}

std::string refusal(const HttpRequest& made) {
  const auto view = read_body(made);
  return view ? "" : std::to_string(view.error().status()) + " " + view.error().text();
}

TEST(RequestBody, TakesJsonByAnyOfItsNames) {
  for (const char* type : {"application/json", "Application/JSON; charset=UTF-8", "application/x+json", ""})
    EXPECT_EQ(refusal(request("{}", type)), "") << type;
}

TEST(RequestBody, RefusesOtherTypes) {
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"})
    EXPECT_EQ(refusal(request("{}", type)).substr(0, 3), "415") << type;
}

TEST(RequestBody, NoBodyIsAnEmptyObject) {
  EXPECT_EQ(refusal(request("", "text/plain")), "");
  EXPECT_TRUE(read_body(request(""))->members().empty());
}

TEST(RequestBody, SaysWhereItIsWrong) {
  EXPECT_EQ(refusal(request("{\"a\":1,\n \"b\":x}")).substr(0, 36), "400 Malformed JSON at line 2, column");
  EXPECT_EQ(refusal(request("{\"a\":\"\xC3\x28\"}")), "400 Malformed JSON at line 1, column 7: not UTF-8");
  // Columns are bytes: characters of every length before the one that is none.
  EXPECT_EQ(refusal(request("\nabcde\xF0\x9F\x98\x80\xC3\xA4\xE2\x82\xAC\xFF")),
            "400 Malformed JSON at line 2, column 15: not UTF-8");
}

TEST(RequestBody, MustBeAnObject) { EXPECT_EQ(refusal(request("[1]")), "400 body must be a JSON object"); }

}  // namespace
}  // namespace famemely::api
