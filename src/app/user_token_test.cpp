#include "app/user_token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/settings_table.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::app {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kNow{std::chrono::milliseconds(1'700'000'000'500)};

Config config() {
  Config result = default_config();
  result.supabase_jwt_secret = "0123456789abcdef0123456789abcdef";
  return result;
}

std::string payload_of(const TokenRequest& request, const Config& with) {
  const jwt::Verifier verifier(
      {.secret = with.supabase_jwt_secret, .audience = with.jwt_audience, .issuer = with.issuer()});
  const auto claims = verifier.verify(make_token(request, with, kNow), nullptr, kNow);
  return claims ? claims->json : claims.error().reason;
}

TEST(UserToken, IsAcceptedByTheServer) {
  EXPECT_EQ(payload_of({.subject = "u\"1"}, config()),
            R"({"sub":"u\"1","role":"authenticated","aud":"authenticated","iat":1700000000,"exp":1700003601})");
}

TEST(UserToken, HasTheIssuerThatTheServerExpects) {
  Config with = config();
  with.supabase_url = "https://p.supabase.co";
  with.jwt_audience = "";
  EXPECT_EQ(payload_of({.subject = "u", .role = "admin"}, with),
            R"({"sub":"u","role":"admin","iss":"https://p.supabase.co/auth/v1","iat":1700000000,"exp":1700003601})");
}

TEST(UserToken, TakesMoreClaimsAndLetsThemReplaceOthers) {
  EXPECT_EQ(
      payload_of({.subject = "u", .claims = {{"app_metadata", R"({"a":[1]})"}, {"iat", "1"}}}, config()),
      R"({"sub":"u","role":"authenticated","aud":"authenticated","iat":1,"exp":1700003601,"app_metadata":{"a":[1]}})");
}

TEST(Claim, IsANameAndJson) {
  EXPECT_EQ(parse_claim("plan=\"pro\""), std::pair(std::string("plan"), std::string("\"pro\"")));
  EXPECT_EQ(parse_claim("x=1=2").error().substr(0, 9), "--claim x");
  EXPECT_THAT(parse_claim("plan=pro").error(), HasSubstr("a text needs quotes of its own, --claim 'plan=\"text\"'"));
  EXPECT_THAT(parse_claim("plan").error(), HasSubstr("name=json"));
  EXPECT_THAT(parse_claim("=1").error(), HasSubstr("name=json"));
  EXPECT_THAT(parse_claim("sub=\"x\"").error(), HasSubstr("use --sub"));
  EXPECT_THAT(parse_claim("role=\"x\"").error(), HasSubstr("use --role"));
}

}  // namespace
}  // namespace famemely::app
