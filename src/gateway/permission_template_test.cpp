#include "gateway/permission_template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using Missing = TopicTemplate::Missing;

Identity identity_with(std::string sub, std::string claims = "{}") {
  return make_identity(std::move(sub), std::move(claims), RoleClaims::defaults(), std::nullopt, false);
}

/// The filter's text, or `none`.
std::string filter_of(std::string_view text, const Identity& identity, Missing missing = Missing::never_matches) {
  const auto filter = TopicTemplate::parse(text)->filter_for(TokenValues(identity), missing);
  return filter ? filter->text() : "none";
}

TEST(TopicTemplate, WithoutPlaceholdersIsTheSameForEverybody) {
  const auto topic = TopicTemplate::parse("app/users/+/status");
  EXPECT_EQ(topic->fixed()->text(), "app/users/+/status");
  EXPECT_EQ(filter_of("app/users/+/status", identity_with("u1")), "app/users/+/status");
}

TEST(TopicTemplate, PutsTheUsersIdInPlaceOfSub) {
  EXPECT_FALSE(TopicTemplate::parse("users/{sub}/#")->fixed());
  EXPECT_EQ(filter_of("users/{sub}/#", identity_with("u1")), "users/u1/#");
  // The service key has no claim `sub`; its user is service_role.
  EXPECT_EQ(filter_of("users/{sub}/#", identity_with("service_role", R"({"role":"service_role"})")),
            "users/service_role/#");
}

TEST(TopicTemplate, PutsClaimsInPlace) {
  const auto identity = identity_with("u1", R"({"role":"editor","email":"a@b.c","org":{"id":42,"paid":true}})");
  EXPECT_EQ(filter_of("{role}/{email}/{org.id}/{org.paid}", identity), "editor/a@b.c/42/true");
}

TEST(TopicTemplate, PlaceholdersMayBePartOfALevel) {
  EXPECT_EQ(filter_of("a/user-{sub}-{role}/b", identity_with("u1", R"({"role":"r"})")), "a/user-u1-r/b");
}

TEST(TopicTemplate, KeepsEmptyLevels) { EXPECT_EQ(filter_of("/{sub}//#", identity_with("u")), "/u//#"); }

class UnusableValue : public testing::TestWithParam<std::string> {};

TEST_P(UnusableValue, NeverMatchesOrActsAsPlus) {
  const auto identity = identity_with("u1", R"({"claim":)" + GetParam() + "}");
  EXPECT_EQ(filter_of("a/{claim}/b", identity), "none");
  EXPECT_EQ(filter_of("a/{claim}/b", identity, Missing::matches_any_level), "a/+/b");
  EXPECT_EQ(filter_of("a/x-{claim}-y/b", identity, Missing::matches_any_level), "a/+/b");
  EXPECT_EQ(filter_of("{claim}/{sub}", identity, Missing::matches_any_level), "+/u1");
}

INSTANTIATE_TEST_SUITE_P(Values, UnusableValue,
                         testing::Values(R"("")", R"("a/b")", R"("+")", R"("a+")", R"("#")", R"("a#b")",
                                         R"("a\u0000b")", "null", R"(["a"])", R"({"a":"b"})", "1e+3"));

TEST(TopicTemplate, AnAbsentClaimIsUnusable) {
  EXPECT_EQ(filter_of("a/{x.y}", identity_with("u1")), "none");
  EXPECT_EQ(filter_of("a/{x.y}", identity_with("u1"), Missing::matches_any_level), "a/+");
}

TEST(TopicTemplate, AUserIdThatIsNoLevelIsUnusable) {
  for (const std::string& sub : {"a/b"s, "+"s, "#"s, ""s, std::string("a\0b", 3)}) {
    EXPECT_EQ(filter_of("users/{sub}/#", identity_with(sub)), "none");
  }
}

TEST(TopicTemplate, ClaimsThatAreNoObjectHaveNoValues) {
  EXPECT_EQ(filter_of("a/{role}", identity_with("u1", "nonsense")), "none");
}

TEST(TopicTemplate, AValueThatNoTopicHoldsMatchesNothing) {
  EXPECT_EQ(filter_of("a/{c}", identity_with("u1", R"({"c":"\u0007"})")), "none");
}

TEST(TopicTemplate, AValueGivesNoRightToTheBrokersOwnTopics) {
  EXPECT_EQ(filter_of("{sub}/#", identity_with("$SYS")), "none");
  EXPECT_EQ(filter_of("{sub}/#", identity_with("$SYS"), Missing::matches_any_level), "$SYS/#");
  EXPECT_EQ(filter_of("users/{sub}/#", identity_with("$SYS")), "users/$SYS/#");
}

TEST(TopicTemplate, RefusesAPlaceholderWherePlusWouldNotReach) {
  for (const char* text : {"$priv-{sub}/#", "${sub}", "$a{sub}b/{role}"})
    EXPECT_THAT(TopicTemplate::parse(text).error(), HasSubstr("begins with `$`")) << text;
  EXPECT_TRUE(TopicTemplate::parse("$SYS/{sub}"));
}

TEST(TopicTemplate, RefusesWhatIsNoFilter) {
  for (const char* text : {"", "a/#/b", "a+", "{sub}#", "a/{sub}+/b", "$share/g/a"}) {
    EXPECT_FALSE(TopicTemplate::parse(text)) << text;
  }
}

TEST(TopicTemplate, RefusesBracesThatDoNotPair) {
  for (const char* text : {"{", "a/{sub", "a/sub}", "{{sub}}", "{}", "{a..b}", "a/{sub/b}"}) {
    const auto topic = TopicTemplate::parse(text);
    ASSERT_FALSE(topic) << text;
    EXPECT_THAT(topic.error(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace famemely::gateway
