#include "gateway/authenticator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/jwt/digest.hpp"
#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/testing.hpp"

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

using ::testing::HasSubstr;

/// An authenticator with a secret, and keys that come and go.
class AuthenticatorKeysTest : public ::testing::Test {
 protected:
  static std::string token(const jwt::TestKey& key, std::string_view kid) {
    return key.token(key.header(kid), R"({"sub":"alice","role":"admin","aud":"authenticated","exp":1800000060})");
  }
  void publish(const std::string& jwks) {
    authenticator_.set_jwks({.keys = std::make_shared<const jwt::KeySet>(jwt::KeySet::parse(jwks).value())});
  }
  [[nodiscard]] std::string refusal(std::string_view token, bool from_browser = false) const {
    const auto identity = authenticator_.authenticate(token, from_browser, kNow);
    return identity ? "accepted" : identity.error().message;
  }

  Authenticator authenticator_{jwt::Verifier({.secret = std::string(kSecret)}), RoleClaims::parse("role").value()};
  jwt::TestKey one_{jwt::Algorithm::es256};
  jwt::TestKey two_{jwt::Algorithm::eddsa};
};

TEST_F(AuthenticatorKeysTest, KnowsWhichKeyVouchesForAnIdentity) {
  publish(jwt::jwks_of(one_.jwk("one")));
  const auto identity = authenticator_.authenticate(token(one_, "one"), true, kNow).value();
  EXPECT_EQ(identity->user_id, "alice");
  EXPECT_TRUE(identity->is_administrator());
  EXPECT_EQ(identity->key_id, "one");
  EXPECT_EQ(identity->key_mark.kind, KeyKind::jwks);
  EXPECT_TRUE(authenticator_.still_accepts(*identity));
}

TEST_F(AuthenticatorKeysTest, RefusesAKeyThatWasWithdrawn) {
  publish(jwt::jwks_of(one_.jwk("one") + "," + two_.jwk("two")));
  const auto by_one = authenticator_.authenticate(token(one_, "one"), false, kNow).value();
  const auto by_two = authenticator_.authenticate(token(two_, "two"), false, kNow).value();
  publish(jwt::jwks_of(two_.jwk("two")));
  EXPECT_FALSE(authenticator_.still_accepts(*by_one));
  EXPECT_TRUE(authenticator_.still_accepts(*by_two));
  EXPECT_THAT(refusal(token(one_, "one")), HasSubstr("not in the JWKS"));
}

TEST_F(AuthenticatorKeysTest, TakesAnotherKeyUnderTheSameNameForAnotherKey) {
  publish(jwt::jwks_of(one_.jwk("k")));
  const auto identity = authenticator_.authenticate(token(one_, "k"), false, kNow).value();
  publish(jwt::jwks_of(jwt::TestKey(jwt::Algorithm::es256).jwk("k")));
  EXPECT_FALSE(authenticator_.still_accepts(*identity));
}

TEST_F(AuthenticatorKeysTest, TheSecretStaysInForce) {
  const auto identity =
      authenticator_
          .authenticate(jwt::sign_hs256(kSecret, R"({"sub":"u","aud":"authenticated","exp":1800000060})"), false, kNow)
          .value();
  publish(jwt::jwks_of(""));
  EXPECT_EQ(identity->key_id, "");
  EXPECT_TRUE(authenticator_.still_accepts(*identity));
}

TEST_F(AuthenticatorKeysTest, TellsOfUnknownKeysOnceUntilItIsHeard) {
  int told = 0;
  authenticator_.set_on_unknown_key([&] { ++told; });
  EXPECT_THAT(refusal(token(one_, "one")), HasSubstr("no JWKS is configured"));
  EXPECT_EQ(told, 0);
  publish(jwt::jwks_of(""));
  for (int i = 0; i < 1000; ++i) EXPECT_NE(refusal(token(one_, std::to_string(i))), "accepted");
  EXPECT_EQ(told, 1);
  authenticator_.expect_keys();
  EXPECT_NE(refusal(token(one_, "one")), "accepted");
  EXPECT_EQ(told, 2);
  EXPECT_EQ(authenticator_.key_figures().unknown_keys, 1001U);
}

TEST_F(AuthenticatorKeysTest, SaysWhyThereAreNoKeys) {
  authenticator_.set_jwks({.absence = "the keys are not here yet"});
  EXPECT_EQ(refusal(token(one_, "one")), "Token verification failed: the keys are not here yet");
}

TEST_F(AuthenticatorKeysTest, CountsChangesOfKeysOnly) {
  publish(jwt::jwks_of(one_.jwk("one")));
  const auto before = authenticator_.generation();
  publish(jwt::jwks_of(one_.jwk("one")));
  EXPECT_EQ(authenticator_.generation(), before);
  publish(jwt::jwks_of(two_.jwk("one")));
  EXPECT_NE(authenticator_.generation(), before);
}

class AuthenticatorApiKeysTest : public AuthenticatorKeysTest {
 protected:
  void list(const std::string& text) { authenticator_.set_api_keys(ApiKeys::parse(text).value()); }

  const std::string key_ = "fmk_" + std::string(43, 'k');
};

TEST_F(AuthenticatorApiKeysTest, AreUsersOfTheirOwn) {
  EXPECT_THAT(refusal(key_), HasSubstr("set API_KEYS_FILE"));
  list(api_key_line("billing", "service_role", key_));
  const auto identity = authenticator_.authenticate(key_, false, kNow).value();
  EXPECT_EQ(identity->user_id, "key:billing");
  EXPECT_FALSE(identity->expires_at);
  EXPECT_TRUE(identity->is_administrator());
  EXPECT_EQ(identity->key_id, "billing");
  EXPECT_TRUE(authenticator_.still_accepts(*identity));
  EXPECT_EQ(authenticator_.key_figures().api_keys, 1U);
  EXPECT_EQ(refusal("fmk_" + std::string(43, 'x')), "Token verification failed: the API key is unknown");
}

TEST_F(AuthenticatorApiKeysTest, AreRefusedToBrowsers) {
  list(api_key_line("billing", "service_role", key_));
  EXPECT_EQ(refusal(key_, true),
            "Token verification failed: an API key is for backends, not for requests with an Origin header");
}

TEST_F(AuthenticatorApiKeysTest, EndWhenTheyLeaveTheFileOrChangeTheirRole) {
  const std::string line = api_key_line("billing", "reader", key_);
  list(line);
  const auto identity = authenticator_.authenticate(key_, false, kNow).value();
  list(line + "\n" + api_key_line("other", "reader", "fmk_" + std::string(43, 'o')));
  EXPECT_TRUE(authenticator_.still_accepts(*identity));
  list(api_key_line("billing", "admin", key_));
  EXPECT_FALSE(authenticator_.still_accepts(*identity));
  list(api_key_line("invoices", "reader", key_));
  EXPECT_FALSE(authenticator_.still_accepts(*identity));
  list(api_key_line("billing", "reader", "fmk_" + std::string(43, 'n')));
  EXPECT_FALSE(authenticator_.still_accepts(*identity));
  list("");
  EXPECT_FALSE(authenticator_.still_accepts(*identity));
  EXPECT_THAT(refusal(key_), HasSubstr("unknown"));
}

TEST(BearerToken, IsFoundWhateverTheCaseOfTheScheme) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer  abc "), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token(""), "");
}

}  // namespace
}  // namespace famemely::gateway
