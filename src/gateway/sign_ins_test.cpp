#include "gateway/sign_ins.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/testing.hpp"

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

TEST_F(SignInsTest, ATokenIsVerifiedOnceHoweverManyBringIt) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(sign_ins_.sign_in(token(), i % 2 == 0, kNow));
  EXPECT_EQ(authenticator_.key_figures().verified, 1U);
  EXPECT_EQ(authenticator_.key_figures().remembered, 99U);
}

TEST_F(SignInsTest, ForgetsWhatAWithdrawnKeyHasVouchedFor) {
  const jwt::TestKey one(jwt::Algorithm::eddsa);
  const jwt::TestKey two(jwt::Algorithm::eddsa);
  const auto publish = [&](const std::string& keys) {
    authenticator_.set_jwks(
        {.keys = std::make_shared<const jwt::KeySet>(jwt::KeySet::parse(jwt::jwks_of(keys)).value())});
  };
  const auto of = [](const jwt::TestKey& key, const char* kid) {
    return key.token(key.header(kid), R"({"sub":"alice","exp":1800000060,"aud":"authenticated"})");
  };
  publish(one.jwk("one") + "," + two.jwk("two"));
  ASSERT_TRUE(sign_ins_.sign_in(of(one, "one"), false, kNow));
  const auto by_two = sign_ins_.sign_in(of(two, "two"), false, kNow);
  ASSERT_TRUE(sign_ins_.sign_in(token(), false, kNow));
  EXPECT_EQ(sign_ins_.remembered(), 3U);
  publish(two.jwk("two"));
  EXPECT_FALSE(sign_ins_.sign_in(of(one, "one"), false, kNow));
  EXPECT_EQ(sign_ins_.remembered(), 2U) << "the others stay";
  EXPECT_EQ(sign_ins_.sign_in(of(two, "two"), false, kNow)->identity, by_two->identity);
}

TEST_F(SignInsTest, RemembersAnApiKeyUntilItLeavesTheFile) {
  const std::string key = "fmk_" + std::string(43, 'k');
  authenticator_.set_api_keys(ApiKeys::parse(api_key_line("billing", "reader", key)).value());
  const auto first = sign_ins_.sign_in(key, false, kNow);
  ASSERT_TRUE(first);
  EXPECT_EQ(sign_ins_.sign_in(key, false, kNow)->identity, first->identity);
  EXPECT_FALSE(sign_ins_.sign_in(key, true, kNow)) << "a browser";
  authenticator_.set_api_keys({});
  EXPECT_FALSE(sign_ins_.sign_in(key, false, kNow));
  EXPECT_EQ(sign_ins_.remembered(), 0U);
}

TEST_F(SignInsTest, RemembersABoundedNumber) {
  for (std::size_t i = 0; i < SignIns::kTokensMax + 10; ++i)
    ASSERT_TRUE(sign_ins_.sign_in(token(R"("aud":"authenticated","n":)" + std::to_string(i)), false, kNow));
  EXPECT_LE(sign_ins_.remembered(), SignIns::kTokensMax);
}

TEST_F(SignInsTest, RemembersWhoIsConnectedHoweverManyTheyAre) {
  const auto token_of = [](std::size_t i) { return token(R"("aud":"authenticated","n":)" + std::to_string(i)); };
  std::vector<SignedIn> connected;
  constexpr std::size_t kConnected = SignIns::kTokensMax + 1000;
  connected.reserve(kConnected);
  for (std::size_t i = 0; i < kConnected; ++i) connected.push_back(sign_ins_.sign_in(token_of(i), false, kNow).value());
  for (std::size_t i = 0; i < 2 * kConnected; ++i)
    ASSERT_TRUE(sign_ins_.sign_in(token_of(kConnected + i), false, kNow)) << "they ask once, and are gone";
  EXPECT_LE(sign_ins_.remembered(), 2 * kConnected);
  connected.clear();  // all lose their connections, and come back at once
  const auto before = authenticator_.key_figures();
  for (std::size_t i = 0; i < kConnected; ++i) ASSERT_TRUE(sign_ins_.sign_in(token_of(i), false, kNow));
  EXPECT_EQ(authenticator_.key_figures().verified, before.verified);
}

}  // namespace
}  // namespace famemely::gateway
