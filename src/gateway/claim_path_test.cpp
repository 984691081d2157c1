#include "gateway/claim_path.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

JsonView json(std::string_view text) { return *JsonView::parse(text); }

TEST(ClaimPath, FindsATopLevelClaim) {
  EXPECT_EQ(ClaimPath::parse("role")->find_in(json(R"({"role":"admin"})"))->as_string(), "admin");
}

TEST(ClaimPath, DotsGoIntoObjects) {
  const auto claims = json(R"({"app_metadata":{"team":{"id":7}}})");
  EXPECT_EQ(ClaimPath::parse("app_metadata.team.id")->find_in(claims)->as_integer(), 7);
}

TEST(ClaimPath, IsAbsentWhereANameOnTheWayIsNoObject) {
  EXPECT_FALSE(ClaimPath::parse("role.id")->find_in(json(R"({"role":"admin"})")));
  EXPECT_FALSE(ClaimPath::parse("a.b")->find_in(json(R"({})")));
  EXPECT_FALSE(ClaimPath::parse("a")->find_in(json("[]")));
}

TEST(ClaimPath, RefusesEmptyNames) {
  for (const char* text : {"", ".", "a.", ".a", "a..b"}) EXPECT_FALSE(ClaimPath::parse(text)) << text;
}

TEST(RoleClaims, CollectStringsAndArraysEachRoleOnce) {
  const auto claims =
      json(R"({"role":"authenticated","user_role":"editor","app_metadata":{"role":"editor","roles":["admin","a b"]}})");
  EXPECT_THAT(RoleClaims::defaults().roles_of(claims), ElementsAre("authenticated", "editor", "admin", "a b"));
}

TEST(RoleClaims, IgnoreEmptyRolesAndOtherKinds) {
  const auto claims = json(R"({"role":"","user_role":7,"app_metadata":{"role":null,"roles":["",1,["x"],{"y":1}]}})");
  EXPECT_THAT(RoleClaims::defaults().roles_of(claims), IsEmpty());
}

TEST(RoleClaims, ComeFromTheListedPathsOnly) {
  const auto claims = json(R"({"role":"admin","org":{"role":"owner"}})");
  EXPECT_THAT(RoleClaims::parse(" org.role , ")->roles_of(claims), ElementsAre("owner"));
}

TEST(RoleClaims, RefuseWhatUsersWriteThemselves) {
  for (const char* list : {"user_metadata", "user_metadata.role", "role,user_metadata.roles"}) {
    const auto claims = RoleClaims::parse(list);
    ASSERT_FALSE(claims) << list;
    EXPECT_THAT(claims.error(), HasSubstr("user_metadata"));
  }
  EXPECT_TRUE(RoleClaims::parse("user_metadata_checked"));
}

TEST(RoleClaims, AreTheSameFromTextsApart) {
  EXPECT_EQ(RoleClaims::parse(std::vector<std::string>{"role", "a.b"}), RoleClaims::parse("role,a.b"));
  EXPECT_FALSE(RoleClaims::parse(std::vector<std::string>{"user_metadata.role"}));
  EXPECT_FALSE(RoleClaims::parse(std::vector<std::string>{""}));
}

TEST(RoleClaims, AnEmptyListGivesNoRoles) {
  EXPECT_THAT(RoleClaims::parse("")->roles_of(json(R"({"role":"admin"})")), IsEmpty());
}

}  // namespace
}  // namespace famemely::gateway
