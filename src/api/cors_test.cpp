#include "api/cors.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

const CorsPolicy kPolicy{.origins = {"http://localhost:5173"}};

std::string allowed_origin(const CorsPolicy& policy, std::string_view origin, std::string_view host) {
  HttpResponse response;
  policy.decorate(response, origin, host);
  return std::string(response.fields.value_or("Access-Control-Allow-Origin", "-"));
}

TEST(Cors, EchoesAListedOriginWithCredentials) {
  HttpResponse response;
  kPolicy.decorate(response, "http://localhost:5173", "localhost:3001");
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
  CorsPolicy{.origins = {"*"}}.decorate(response, "http://a.example", "b");
  EXPECT_EQ(response.fields.find("Access-Control-Allow-Origin"), "*");
  EXPECT_FALSE(response.fields.find("Access-Control-Allow-Credentials"));
}

TEST(Cors, DevelopmentAllowsAnyLoopbackOrigin) {
  const CorsPolicy policy{.origins = {}, .any_loopback = true};
  for (std::string_view origin : {"http://localhost:1", "http://127.0.0.1:8", "http://[::1]:9", "https://localhost"})
    EXPECT_EQ(allowed_origin(policy, origin, "x"), origin);
  EXPECT_EQ(allowed_origin(policy, "http://localhost.evil.example", "x"), "-");
}

}  // namespace
}  // namespace famemely::api
