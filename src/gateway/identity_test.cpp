#include "gateway/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr WallTime kExpiry{std::chrono::milliseconds(1'760'000'000'500)};

TEST(Identity, TakesItsRolesFromTheClaims) {
  const auto identity =
      make_identity("u1", R"({"sub":"u1","role":"authenticated"})", RoleClaims::defaults(), kExpiry, false);
  EXPECT_EQ(identity.user_id, "u1");
  EXPECT_THAT(identity.roles, ElementsAre("authenticated"));
  EXPECT_EQ(identity.expires_at, kExpiry);
  EXPECT_TRUE(identity.has_role("authenticated"));
  EXPECT_FALSE(identity.has_role("auth"));
  EXPECT_FALSE(identity.is_administrator());
}

TEST(Identity, KeepsTheClaimsAsTheyWereSigned) {
  const std::string claims = R"({"sub":"u1", "n":12345678901234567890.10})";
  EXPECT_EQ(make_identity("u1", claims, RoleClaims::defaults(), kExpiry, false).claims_json, claims);
}

TEST(Identity, AdminAndServiceRoleAreAdministrators) {
  for (const char* role : {"admin", "service_role"}) {
    const auto identity = make_identity("u", std::string(R"({"user_role":")") + role + R"("})", RoleClaims::defaults(),
                                        std::nullopt, false);
    EXPECT_TRUE(identity.is_administrator()) << role;
  }
}

TEST(Identity, OfClaimsThatAreNoObjectHasNoRoles) {
  EXPECT_THAT(make_identity("u", "[", RoleClaims::defaults(), kExpiry, false).roles, IsEmpty());
  EXPECT_THAT(make_identity("u", "[]", RoleClaims::defaults(), kExpiry, false).roles, IsEmpty());
}

TEST(Identity, OfAnApiKeyIsABackendThatDoesNotExpire) {
  const auto identity = make_key_identity("bill\"ing", "service_role", "digest");
  EXPECT_EQ(identity.user_id, "key:bill\"ing");
  EXPECT_THAT(identity.roles, ElementsAre("service_role"));
  EXPECT_FALSE(identity.expires_at);
  EXPECT_TRUE(identity.backend_only);
  EXPECT_EQ(identity.key_id, "bill\"ing");
  EXPECT_EQ(identity.key_mark, (KeyMark{KeyKind::api_key, "digest"}));
  EXPECT_EQ(JsonView::parse(identity.claims_json)->find("sub")->as_string(), "key:bill\"ing");
}

}  // namespace
}  // namespace famemely::gateway
