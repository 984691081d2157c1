#include "api/cors.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

const CorsPolicy kPolicy{.origins = {"http://localhost:5173"}};

std::string allowed_origin(const CorsPolicy& policy, std::string_view origin, std::string_view host) {
  HttpResponse response;
  policy.decorate(response, {origin, host});
  return std::string(response.fields.value_or("Access-Control-Allow-Origin", "-"));
}

TEST(Cors, EchoesAListedOriginWithCredentials) {
  HttpResponse response;
  kPolicy.decorate(response, {"http://localhost:5173", "localhost:3001"});
  EXPECT_EQ(response.fields.find("Access-Control-Allow-Origin"), "http://localhost:5173");
  EXPECT_EQ(response.fields.find("Access-Control-Allow-Credentials"), "true");
  EXPECT_EQ(response.fields.find("Vary"), "Origin");
}

TEST(Cors, SaysNothingToOthers) {
  EXPECT_EQ(allowed_origin(kPolicy, "http://evil.example", "localhost:3001"), "-");
  EXPECT_EQ(allowed_origin(kPolicy, "http://localhost:5174", "localhost:3001"), "-");
  EXPECT_EQ(allowed_origin(kPolicy, "null", "localhost:3001"), "-");
  EXPECT_EQ(allowed_origin(kPolicy, "", ""), "-");
}

TEST(Cors, AllowsTheRequestsOwnHost) {
  EXPECT_EQ(allowed_origin(kPolicy, "https://api.example.com", "api.example.com"), "https://api.example.com");
}

TEST(Cors, AStarComesWithoutCredentials) {
  HttpResponse response;
  CorsPolicy{.origins = {"*"}}.decorate(response, {"http://a.example", "b"});
  EXPECT_EQ(response.fields.find("Access-Control-Allow-Origin"), "*");
  EXPECT_FALSE(response.fields.find("Access-Control-Allow-Credentials"));
}

TEST(Cors, DevelopmentAllowsAnyLoopbackOrigin) {
  const CorsPolicy policy{.origins = {}, .any_loopback = true};
  for (std::string_view origin : {"http://localhost:1", "http://127.0.0.1:8", "http://[::1]:9", "https://localhost"})
    EXPECT_EQ(allowed_origin(policy, origin, "x"), origin);
  for (std::string_view origin :
       {"http://localhost.evil.example", "http://127.evil.example", "http://127.0.0.1.evil.example"})
    EXPECT_EQ(allowed_origin(policy, origin, "x"), "-") << origin;
}

TEST(Cors, ADefaultPortMayBeWrittenOut) {
  EXPECT_TRUE(kPolicy.allows({"https://api.example.com:443", "api.example.com"}));
  EXPECT_TRUE(kPolicy.allows({"http://api.example.com", "api.example.com:80"}));
  EXPECT_FALSE(kPolicy.allows({"http://api.example.com:443", "api.example.com"}));
}

TEST(Cors, OverTlsTheOwnHostsPlainPagesAreStrangers) {
  EXPECT_FALSE(kPolicy.allows({"http://api.example.com", "api.example.com", true}));
  EXPECT_TRUE(kPolicy.allows({"https://api.example.com", "api.example.com", true}));
}

TEST(Cors, AWebSocketOfAStrangersPageIsRefused) {
  const auto refusal = kPolicy.refuse_handshake({"https://evil.example", "api.example.com"});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 403);
  EXPECT_EQ(refusal->body,
            R"({"statusCode":403,"message":"Origin https://evil.example is not allowed: CORS_ORIGINS lists those that )"
            R"(are","error":"Forbidden"})");
  EXPECT_TRUE(kPolicy.refuse_handshake({"null", "api.example.com"}));
}

TEST(Cors, AWebSocketOfAnAllowedPageOrOfNoBrowserIsNot) {
  EXPECT_FALSE(kPolicy.refuse_handshake({"http://localhost:5173", "api.example.com"}));
  EXPECT_FALSE(kPolicy.refuse_handshake({"http://api.example.com:3001", "api.example.com:3001"}));
  EXPECT_FALSE(kPolicy.refuse_handshake({"", "api.example.com"}));
  const CorsPolicy everybody{.origins = {"*"}};
  EXPECT_FALSE(everybody.refuse_handshake({"https://any.example", "x"}));
}

}  // namespace
}  // namespace famemely::api
