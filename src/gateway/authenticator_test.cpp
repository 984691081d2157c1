#include "gateway/authenticator.hpp"

#include <gtest/gtest.h>

#include "protocol/jwt/signer.hpp"

namespace famemely::gateway {
namespace {

constexpr std::string_view kSecret = "a-secret-of-at-least-thirty-two-bytes";
const WallTime kNow{std::chrono::seconds{1'800'000'000}};

Authenticator make() {
  return Authenticator(jwt::Verifier({.secret = std::string(kSecret)}), RoleClaims::parse("role").value());
}

TEST(Authenticator, NamesUserAndRoles) {
  const auto token =
      jwt::sign_hs256(kSecret, R"({"sub":"alice","role":"admin","aud":"authenticated","exp":1800000060})");
  const auto identity = make().authenticate(token, true, kNow);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ((*identity)->user_id, "alice");
  EXPECT_TRUE((*identity)->is_administrator());
}

TEST(Authenticator, SaysThatATokenIsMissing) {
  EXPECT_EQ(make().authenticate("", false, kNow).error(), (Error{ErrorCode::unauthorized, "No token provided"}));
}

TEST(Authenticator, RefusesAServiceKeyFromABrowser) {
  const auto key = jwt::sign_hs256(kSecret, R"({"role":"service_role","iss":"supabase","exp":1800000060})");
  EXPECT_TRUE(make().authenticate(key, false, kNow));
  const auto refused = make().authenticate(key, true, kNow);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Origin"), std::string::npos);
}

TEST(BearerToken, IsFoundWhateverTheCaseOfTheScheme) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer  abc "), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token(""), "");
}

}  // namespace
}  // namespace famemely::gateway
