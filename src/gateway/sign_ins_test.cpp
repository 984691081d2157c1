#include "gateway/sign_ins.hpp"

#include <gtest/gtest.h>

#include "protocol/jwt/signer.hpp"

namespace famemely::gateway {
namespace {

constexpr std::string_view kSecret = "a-secret-of-at-least-thirty-two-bytes";
const WallTime kNow{std::chrono::seconds{1'800'000'000}};

class SignInsTest : public ::testing::Test {
 protected:
  static std::string token(std::string_view more = R"("aud":"authenticated")") {
    return jwt::sign_hs256(kSecret, R"({"sub":"alice","exp":1800000060,)" + std::string(more) + "}");
  }

  Authenticator authenticator_{jwt::Verifier({.secret = std::string(kSecret), .leeway = std::chrono::seconds(10)}),
                               RoleClaims::parse("role").value()};
  SignIns sign_ins_{authenticator_, std::make_shared<const PermissionPolicy>(PermissionPolicy::built_in())};
};

TEST_F(SignInsTest, WhoBringsTheSameTokenSharesWhatItSays) {
  const auto first = sign_ins_.sign_in(token(), true, kNow);
  const auto second = sign_ins_.sign_in(token(), false, kNow);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->identity, second->identity);
  EXPECT_EQ(first->permissions, second->permissions);
  EXPECT_EQ(sign_ins_.remembered(), 1U);
}

TEST_F(SignInsTest, ATokenIsForgottenWhenItExpires) {
  ASSERT_TRUE(sign_ins_.sign_in(token(), false, kNow));
  EXPECT_TRUE(sign_ins_.sign_in(token(), false, kNow + std::chrono::seconds(65))) << "within the leeway";
  EXPECT_EQ(sign_ins_.remembered(), 0U);
  EXPECT_FALSE(sign_ins_.sign_in(token(), false, kNow + std::chrono::seconds(75)));
}

TEST_F(SignInsTest, WhatIsRefusedIsNotRemembered) {
  EXPECT_FALSE(sign_ins_.sign_in("nonsense", false, kNow));
  EXPECT_FALSE(sign_ins_.sign_in("", false, kNow));
  EXPECT_FALSE(sign_ins_.sign_in(token(R"("aud":"others")"), false, kNow));
  EXPECT_EQ(sign_ins_.remembered(), 0U);
}

TEST_F(SignInsTest, ARememberedServiceKeyIsStillRefusedToABrowser) {
  const auto key = jwt::sign_hs256(kSecret, R"({"role":"service_role","iss":"supabase","exp":1800000060})");
  EXPECT_TRUE(sign_ins_.sign_in(key, false, kNow));
  EXPECT_FALSE(sign_ins_.sign_in(key, true, kNow));
  EXPECT_TRUE(sign_ins_.sign_in(key, false, kNow));
}

TEST_F(SignInsTest, RemembersABoundedNumber) {
  for (std::size_t i = 0; i < SignIns::kTokensMax + 10; ++i)
    ASSERT_TRUE(sign_ins_.sign_in(token(R"("aud":"authenticated","n":)" + std::to_string(i)), false, kNow));
  EXPECT_LE(sign_ins_.remembered(), SignIns::kTokensMax);
}

}  // namespace
}  // namespace famemely::gateway
