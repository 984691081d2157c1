#include "gateway/permissions.hpp"

#include <gtest/gtest.h>

namespace famemely::gateway {
namespace {

using Effect = PermissionRule::Effect;
using Ground = Decision::Ground;

Identity user(const std::string& sub, const std::string& more_claims = "") {
  return make_identity(sub, R"({"sub":")" + sub + R"(","role":"authenticated")" + more_claims + "}",
                       RoleClaims::defaults(), std::nullopt, false);
}
Identity admin() { return user("root", R"(,"user_role":"admin")"); }
Identity service() {
  return make_identity("service_role", R"({"role":"service_role","iss":"supabase"})", RoleClaims::defaults(),
                       std::nullopt, true);
}

Permissions permissions_of(const Identity& identity, PermissionRules rules) {
  return {std::make_shared<const PermissionPolicy>(std::move(rules)), identity};
}
Decision publish(const Identity& identity, std::string_view topic,
                 const PermissionRules& rules = PermissionRules::built_in()) {
  return permissions_of(identity, rules).decide_publish(*mqtt::TopicName::parse(topic));
}
Decision subscribe(const Identity& identity, std::string_view filter,
                   const PermissionRules& rules = PermissionRules::built_in()) {
  return permissions_of(identity, rules).decide_subscribe(*mqtt::TopicFilter::parse(filter));
}

std::vector<TopicTemplate> topics(std::initializer_list<std::string_view> texts) {
  std::vector<TopicTemplate> parsed;
  for (const auto text : texts) parsed.push_back(*TopicTemplate::parse(text));
  return parsed;
}
PermissionRule rule(Effect effect, std::initializer_list<std::string_view> texts) {
  return {.effect = effect, .publish = true, .subscribe = true, .topics = topics(texts)};
}
PermissionRules policy_of(std::vector<PermissionRule> rules) { return {.rules = std::move(rules)}; }

/// One topic or filter under the built-in policy, and who may do what with it. `u1` is the plain user.
struct Case {
  std::string_view topic;
  bool user_publishes;
  bool user_subscribes;
  bool admin_publishes = true;
  bool admin_subscribes = true;
};

class BuiltInPolicy : public testing::TestWithParam<Case> {};

TEST_P(BuiltInPolicy, DecidesForUsersAdministratorsAndBackends) {
  const Case& expected = GetParam();
  EXPECT_EQ(subscribe(user("u1"), expected.topic).allowed, expected.user_subscribes);
  EXPECT_EQ(subscribe(admin(), expected.topic).allowed, expected.admin_subscribes);
  EXPECT_EQ(subscribe(service(), expected.topic).allowed, expected.admin_subscribes);
  if (!mqtt::TopicName::parse(expected.topic)) return;
  EXPECT_EQ(publish(user("u1"), expected.topic).allowed, expected.user_publishes);
  EXPECT_EQ(publish(admin(), expected.topic).allowed, expected.admin_publishes);
  EXPECT_EQ(publish(service(), expected.topic).allowed, expected.admin_publishes);
}

INSTANTIATE_TEST_SUITE_P(OpenTopics, BuiltInPolicy,
                         testing::Values(Case{"sensors/temperature", true, true}, Case{"sensors/humidity", true, true},
                                         Case{"sensors/#", true, true}, Case{"sensors/+", true, true},
                                         Case{"chat/room1", true, true}, Case{"app/sensors/temperature", true, true},
                                         Case{"app/sensors/humidity", true, true}, Case{"app/chat/rooms/1", true, true},
                                         Case{"app/chat/rooms/+", true, true}, Case{"app/chat/rooms/#", true, true},
                                         Case{"test/hello", true, true}, Case{"test/#", true, true},
                                         Case{"broadcast/all", true, true}, Case{"usersx/u2", true, true},
                                         Case{"/users/u2", true, true}, Case{"Users/u2", true, true},
                                         Case{"app/chat", true, true}));

INSTANTIATE_TEST_SUITE_P(Announcements, BuiltInPolicy,
                         testing::Values(Case{"app/broadcast/alerts", false, true},
                                         Case{"app/broadcast/announcements", false, true},
                                         Case{"app/broadcast/#", false, true}, Case{"app/broadcast/+", false, true},
                                         Case{"app/broadcast", false, true}));

INSTANTIATE_TEST_SUITE_P(
    OnesOwnSpace, BuiltInPolicy,
    testing::Values(Case{"app/users/u1/notifications", true, true}, Case{"app/users/u1/messages", true, true},
                    Case{"app/users/u1/status", true, true}, Case{"app/users/u1/#", true, true},
                    Case{"app/users/u1/+", true, true}, Case{"app/users/u1", true, true},
                    Case{"users/u1/status", true, true}, Case{"users/u1/#", true, true},
                    Case{"notifications/u1", true, true}, Case{"notifications/u1/new", true, true},
                    Case{"notifications/u1/#", true, true}, Case{"app/chat/direct/u1/u2", true, true},
                    Case{"app/chat/direct/u2/u1", true, true}, Case{"app/chat/direct/u1/+", true, true},
                    Case{"app/chat/direct/+/u1", true, true}));

INSTANTIATE_TEST_SUITE_P(
    SpaceOfOthers, BuiltInPolicy,
    testing::Values(Case{"app/users/u2/notifications", false, false}, Case{"app/users/u2/messages", false, false},
                    Case{"app/users/u2/status", false, true}, Case{"users/u2/status", false, true},
                    Case{"users/+/status", false, true}, Case{"app/users/+/status", false, true},
                    Case{"app/users/+/notifications", false, false}, Case{"app/users/#", false, false},
                    Case{"app/users/+/+", false, false}, Case{"users/#", false, false}, Case{"users/+", false, false},
                    Case{"users", false, false}, Case{"app/users", false, false},
                    Case{"notifications/u2", false, false}, Case{"notifications/#", false, false},
                    Case{"notifications/+", false, false}, Case{"notifications", false, false},
                    Case{"app/chat/direct/u2/u3", false, false}, Case{"app/chat/direct/#", false, false},
                    Case{"app/chat/direct/+/+", false, false}, Case{"app/chat/direct/u1/u2/x", false, false},
                    Case{"app/chat/direct/u1/#", false, false}, Case{"users/u10/private", false, false},
                    Case{"users/u2/status/x", false, false}));

INSTANTIATE_TEST_SUITE_P(WideFilters, BuiltInPolicy,
                         testing::Values(Case{"#", false, false}, Case{"+", false, false}, Case{"+/#", false, false},
                                         Case{"app/#", false, false}, Case{"app/+/u2/messages", false, false},
                                         Case{"+/u2", false, false}, Case{"+/+/status", false, false},
                                         Case{"app/chat/#", false, false}, Case{"+/room1", false, false},
                                         Case{"+/rooms/1/x/y", false, false}, Case{"app/+", false, false}));

INSTANTIATE_TEST_SUITE_P(TopicsOfTheBroker, BuiltInPolicy,
                         testing::Values(Case{"$SYS/#", false, false}, Case{"$SYS/broker/uptime", false, false},
                                         Case{"$SYS", false, false}, Case{"$SYS/broker/+", false, false},
                                         Case{"$other/a", false, false, false, false},
                                         Case{"$famemely/#", false, false, false, false},
                                         Case{"$famemely/famemely_1/fence", false, false, false, false},
                                         Case{"$famemely/+/fence", false, false, false, false}));

TEST(PermissionDecision, NamesTheRule) {
  EXPECT_EQ(publish(user("u1"), "users/u1/a"), (Decision{true, Ground::rule, 0}));
  EXPECT_EQ(publish(admin(), "users/u1/a"), (Decision{true, Ground::rule, 1}));
  EXPECT_EQ(subscribe(user("u1"), "users/+/status"), (Decision{true, Ground::rule, 2}));
  EXPECT_EQ(subscribe(user("u1"), "#"), (Decision{false, Ground::rule, 3}));
  EXPECT_EQ(publish(user("u1"), "app/broadcast/alerts"), (Decision{false, Ground::rule, 4}));
  EXPECT_EQ(subscribe(user("u1"), "chat/room1"), (Decision{true, Ground::rule, 5}));
}

TEST(PermissionDecision, IsNoWithoutARule) {
  EXPECT_EQ(publish(user("u1"), "a", {}), (Decision{false, Ground::no_rule, 0}));
  EXPECT_EQ(subscribe(user("u1"), "a", policy_of({rule(Effect::allow, {"b"})})), Decision{});
}

TEST(PermissionDecision, TheFirstRuleThatDecidesWins) {
  const auto policy = policy_of({rule(Effect::deny, {"a/b"}), rule(Effect::allow, {"a/#"})});
  EXPECT_FALSE(publish(user("u1"), "a/b", policy));
  EXPECT_TRUE(publish(user("u1"), "a/c", policy));
  const auto reversed = policy_of({rule(Effect::allow, {"a/#"}), rule(Effect::deny, {"a/b"})});
  EXPECT_TRUE(publish(user("u1"), "a/b", reversed));
  EXPECT_TRUE(subscribe(user("u1"), "a/+", reversed));
}

TEST(PermissionDecision, ADenyRuleRefusesEveryFilterThatReachesIntoIt) {
  const auto policy = policy_of({rule(Effect::deny, {"a/+/secret"}), rule(Effect::allow, {"#"})});
  for (const char* filter : {"a/#", "a/b/#", "+/+/+", "a/b/+", "a/b/secret"}) {
    EXPECT_FALSE(subscribe(user("u1"), filter, policy)) << filter;
  }
  for (const char* filter : {"a/+", "a/b/public", "b/#", "a/b/secret/more"}) {
    EXPECT_TRUE(subscribe(user("u1"), filter, policy)) << filter;
  }
}

TEST(PermissionDecision, AnAllowRuleMustCoverTheWholeFilter) {
  const auto policy = policy_of({rule(Effect::allow, {"a/+", "b/#"})});
  EXPECT_TRUE(subscribe(user("u1"), "a/+", policy));
  EXPECT_FALSE(subscribe(user("u1"), "a/#", policy));
  EXPECT_FALSE(subscribe(user("u1"), "+/x", policy));
  EXPECT_TRUE(subscribe(user("u1"), "b/c/#", policy));
}

TEST(PermissionDecision, KeepsPublishAndSubscribeApart) {
  PermissionRule reading = rule(Effect::allow, {"a"});
  reading.publish = false;
  PermissionRule no_writing = rule(Effect::deny, {"#"});
  no_writing.subscribe = false;
  const auto policy = policy_of({no_writing, reading});
  EXPECT_TRUE(subscribe(user("u1"), "a", policy));
  EXPECT_EQ(publish(user("u1"), "a", policy), (Decision{false, Ground::rule, 0}));
}

TEST(PermissionDecision, ALeadingWildcardDoesNotReachDollarTopics) {
  const auto everything = policy_of({rule(Effect::allow, {"#", "+/a"})});
  EXPECT_FALSE(publish(user("u1"), "$SYS/a", everything));
  EXPECT_FALSE(subscribe(user("u1"), "$SYS/a", everything));
  const auto sealed = policy_of({rule(Effect::deny, {"$SYS/#"}), rule(Effect::allow, {"#"})});
  EXPECT_TRUE(subscribe(user("u1"), "#", sealed));
}

TEST(PermissionDecision, ARuleConcernsItsRoles) {
  PermissionRule editors = rule(Effect::allow, {"news"});
  editors.roles = {"editor", "chief"};
  const auto policy = policy_of({editors});
  EXPECT_TRUE(publish(user("u1", R"(,"app_metadata":{"roles":["x","chief"]})"), "news", policy));
  EXPECT_FALSE(publish(user("u1"), "news", policy));
}

struct ClaimCase {
  std::string claims;
  ClaimCondition::Value value;
  bool holds;
};
class ClaimEquality : public testing::TestWithParam<ClaimCase> {};

TEST_P(ClaimEquality, DecidesWhetherARuleConcerns) {
  PermissionRule conditional = rule(Effect::allow, {"a"});
  conditional.claims = {{.claim = *ClaimPath::parse("c.d"), .value = GetParam().value}};
  EXPECT_EQ(publish(user("u1", GetParam().claims), "a", policy_of({conditional})).allowed, GetParam().holds);
}

INSTANTIATE_TEST_SUITE_P(
    Claims, ClaimEquality,
    testing::Values(ClaimCase{R"(,"c":{"d":false})", false, true}, ClaimCase{R"(,"c":{"d":true})", false, false},
                    ClaimCase{R"(,"c":{"d":"false"})", false, false}, ClaimCase{"", false, false},
                    ClaimCase{R"(,"c":{"d":"aal2"})", std::string("aal2"), true},
                    ClaimCase{R"(,"c":{"d":"\u0061al2"})", std::string("aal2"), true},
                    ClaimCase{R"(,"c":{"d":["aal2"]})", std::string("aal2"), false},
                    ClaimCase{R"(,"c":{"d":7.0})", *Decimal::parse("7"), true},
                    ClaimCase{R"(,"c":{"d":"7"})", *Decimal::parse("7"), false},
                    ClaimCase{R"(,"c":{"d":9007199254740993})", *Decimal::parse("9007199254740993"), true},
                    ClaimCase{R"(,"c":{"d":9007199254740992})", *Decimal::parse("9007199254740993"), false},
                    ClaimCase{"", std::monostate{}, true}, ClaimCase{R"(,"c":7)", std::monostate{}, true},
                    ClaimCase{R"(,"c":{"d":null})", std::monostate{}, true},
                    ClaimCase{R"(,"c":{"d":false})", std::monostate{}, false}));

TEST(PermissionDecision, AllClaimsOfARuleMustHold) {
  PermissionRule conditional = rule(Effect::allow, {"a"});
  conditional.claims = {{*ClaimPath::parse("aal"), std::string("aal2")}, {*ClaimPath::parse("is_anonymous"), false}};
  const auto policy = policy_of({conditional});
  EXPECT_TRUE(publish(user("u1", R"(,"aal":"aal2","is_anonymous":false)"), "a", policy));
  EXPECT_FALSE(publish(user("u1", R"(,"aal":"aal2","is_anonymous":true)"), "a", policy));
}

TEST(Placeholders, WithoutAValueNeverMatchInAllow) {
  const auto policy = policy_of({rule(Effect::allow, {"teams/{team}/#"})});
  EXPECT_TRUE(publish(user("u1", R"(,"team":"red")"), "teams/red/a", policy));
  for (const char* claims : {"", R"(,"team":"")", R"(,"team":"+")", R"(,"team":"#")", R"(,"team":"red/x")"}) {
    EXPECT_FALSE(publish(user("u1", claims), "teams/red/a", policy)) << claims;
    EXPECT_FALSE(subscribe(user("u1", claims), "teams/+/a", policy)) << claims;
  }
}

TEST(Placeholders, WithoutAValueActAsPlusInDeny) {
  const auto policy = policy_of({rule(Effect::deny, {"teams/{team}/#"}), rule(Effect::allow, {"#"})});
  EXPECT_FALSE(publish(user("u1", R"(,"team":"red")"), "teams/red/a", policy));
  EXPECT_TRUE(publish(user("u1", R"(,"team":"red")"), "teams/blue/a", policy));
  // Three of them: with characters that no topic holds.
  for (const char* claims : {"", R"(,"team":"")", R"(,"team":"+")", R"(,"team":"red/x")", R"(,"team":"red\u0000")",
                             R"(,"team":"red\u0001")", R"(,"team":"red\ufffe")"}) {
    EXPECT_FALSE(publish(user("u1", claims), "teams/blue/a", policy)) << claims;
    EXPECT_FALSE(subscribe(user("u1", claims), "teams/blue/a", policy)) << claims;
    EXPECT_TRUE(publish(user("u1", claims), "team/blue/a", policy)) << claims;
  }
}

TEST(Placeholders, WithValuesTooLongForATopicAreWithoutValues) {
  const std::string claims = R"(,"team":")" + std::string(40'000, 'a') + "\"";
  const auto denying = policy_of({rule(Effect::deny, {"teams/{team}/{team}"}), rule(Effect::allow, {"#"})});
  EXPECT_FALSE(publish(user("u1", claims.c_str()), "teams/blue/red", denying));
  EXPECT_FALSE(subscribe(user("u1", claims.c_str()), "teams/#", denying));
  const auto allowing = policy_of({rule(Effect::allow, {"teams/{team}/{team}"})});
  EXPECT_FALSE(publish(user("u1", claims.c_str()), "teams/blue/red", allowing));
}

TEST(Placeholders, AUserNamedAsAWildcardHasNoSpace) {
  for (const char* sub : {"+", "#", "a/b", "u2/#"}) {
    EXPECT_FALSE(subscribe(user(sub), "users/u2/private")) << sub;
    EXPECT_FALSE(publish(user(sub), "notifications/u2")) << sub;
    EXPECT_TRUE(publish(user(sub), "chat/room1")) << sub;
  }
}

const char* const kOwnLists =
    R"(,"app_metadata":{"mqtt":{"publish":["users/u2/inbox","app/broadcast/+"],"subscribe":["users/u2/#",7,"a/#/b"]}})";

TEST(TokenLists, AddRightsBeforeTheRules) {
  EXPECT_EQ(publish(user("u1", kOwnLists), "users/u2/inbox"), (Decision{true, Ground::token_list, 0}));
  EXPECT_TRUE(publish(user("u1", kOwnLists), "app/broadcast/alerts"));
  EXPECT_EQ(subscribe(user("u1", kOwnLists), "users/u2/private"), (Decision{true, Ground::token_list, 0}));
}

TEST(TokenLists, AreKeptApart) {
  EXPECT_FALSE(publish(user("u1", kOwnLists), "users/u2/other"));
  EXPECT_FALSE(subscribe(user("u1", kOwnLists), "users/u3/inbox"));
}

TEST(TokenLists, MustCoverTheWholeFilter) { EXPECT_FALSE(subscribe(user("u1", kOwnLists), "users/#")); }

TEST(TokenLists, NeverTakeAway) {
  EXPECT_EQ(publish(user("u1", kOwnLists), "chat/room1"), (Decision{true, Ground::rule, 5}));
  const auto none = user("u1", R"(,"app_metadata":{"mqtt":{"publish":[],"subscribe":[]}})");
  EXPECT_TRUE(publish(none, "chat/room1"));
  EXPECT_TRUE(subscribe(none, "users/u1/#"));
}

TEST(TokenLists, OfOtherKindsAreIgnored) {
  for (const char* claims : {R"(,"app_metadata":{"mqtt":7})", R"(,"app_metadata":{"mqtt":{"publish":"#"}})",
                             R"(,"app_metadata":[])", R"(,"user_metadata":{"mqtt":{"publish":["#"]}})"}) {
    EXPECT_FALSE(publish(user("u1", claims), "notifications/u2")) << claims;
  }
}

TEST(ReservedTopics, AreNobodys) {
  const auto greedy = user("u1", R"(,"app_metadata":{"mqtt":{"publish":["$famemely/#"],"subscribe":["$famemely/#"]}})");
  EXPECT_EQ(publish(greedy, "$famemely/a/fence"), (Decision{false, Ground::reserved, 0}));
  EXPECT_EQ(subscribe(greedy, "$famemely/a/fence"), (Decision{false, Ground::reserved, 0}));
}

TEST(ReservedTopics, WithoutADollarDoNotForbidWiderFilters) {
  PermissionRules policy = PermissionRules::built_in();
  policy.reserved.push_back(*mqtt::TopicFilter::parse("own/fence"));
  for (const char* topic : {"famemely/fence/id", "famemely/fence", "own/fence"}) {
    EXPECT_FALSE(publish(admin(), topic, policy)) << topic;
    EXPECT_FALSE(subscribe(admin(), topic, policy)) << topic;
  }
  EXPECT_FALSE(subscribe(admin(), "famemely/fence/+", policy));
  // The bridge hands out what comes on the rest of these.
  for (const char* filter : {"#", "+/fence/+", "famemely/#", "famemely/+/id", "own/#"})
    EXPECT_TRUE(subscribe(admin(), filter, policy)) << filter;
  for (const char* filter : {"famemely/#", "famemely/chat/#", "own/+"})
    EXPECT_TRUE(subscribe(user("u1"), filter, policy)) << filter;
}

TEST(Permissions, AnswerAsOftenAsAsked) {
  const auto policy = std::make_shared<const PermissionPolicy>(PermissionPolicy::built_in());
  const auto identity = std::make_unique<Identity>(user("u1"));
  const Permissions permissions(policy, *identity);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(permissions.decide_subscribe(*mqtt::TopicFilter::parse("users/u1/#")));
    EXPECT_FALSE(permissions.decide_publish(*mqtt::TopicName::parse("users/u2/a")));
  }
}

TEST(Permissions, RememberABoundedNumberOfDecisions) {
  const Permissions permissions = permissions_of(user("u1"), PermissionRules::built_in());
  for (std::size_t i = 0; i < Permissions::kDecisionsMax * 3; ++i) {
    EXPECT_TRUE(permissions.decide_publish(*mqtt::TopicName::parse("a/" + std::to_string(i))));
    EXPECT_FALSE(permissions.decide_subscribe(*mqtt::TopicFilter::parse("users/" + std::to_string(i) + "/x")));
    EXPECT_LE(permissions.remembered(), 2 * Permissions::kDecisionsMax);
  }
  const std::size_t before = permissions.remembered();
  EXPECT_TRUE(permissions.decide_publish(*mqtt::TopicName::parse(std::string(1000, 'a'))));
  EXPECT_EQ(permissions.remembered(), before) << "a long one is not worth its room";
}

}  // namespace
}  // namespace famemely::gateway
