#include "api/security_headers.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

HttpResponse of_type(std::string type, int status = 200) {
  HttpResponse response{.status = status, .fields = {}, .body = {}};
  response.fields.add("Content-Type", std::move(type));
  return response;
}

TEST(SecurityHeaders, APageIsNeitherFramedNorLetToLoadAnything) {
  HttpResponse page = of_type("text/html; charset=utf-8");
  add_security_headers(page);
  EXPECT_TRUE(page.fields.value_or("Content-Security-Policy", "").starts_with("default-src 'none'"));
  EXPECT_EQ(page.fields.find("X-Frame-Options"), "DENY");
  EXPECT_EQ(page.fields.find("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(page.fields.find("X-Content-Type-Options"), "nosniff");
}

TEST(SecurityHeaders, APagesOwnPolicyStays) {
  HttpResponse page = of_type("text/html");
  page.fields.add("Content-Security-Policy", "default-src 'self'");
  add_security_headers(page);
  EXPECT_EQ(page.fields.find("Content-Security-Policy"), "default-src 'self'");
}

TEST(SecurityHeaders, OtherAnswersAreOnlyWhatTheySayTheyAre) {
  HttpResponse answer = of_type("application/json");
  add_security_headers(answer);
  EXPECT_EQ(answer.fields.find("X-Content-Type-Options"), "nosniff");
  EXPECT_FALSE(answer.fields.find("Content-Security-Policy"));
}

TEST(SecurityHeaders, AWebSocketHasNone) {
  HttpResponse upgrade{.status = 101, .fields = {}, .body = {}};
  add_security_headers(upgrade);
  EXPECT_EQ(upgrade.fields.size(), 0U);
}

}  // namespace
}  // namespace famemely::api
