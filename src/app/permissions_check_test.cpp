#include "app/permissions_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/settings_table.hpp"

namespace famemely::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr WallTime kNow{std::chrono::milliseconds(1'700'000'000'500)};
/// Only administrators and backends may.
constexpr const char* kOthersSpace = "users/somebody";

class PermissionsCheck : public ::testing::Test {
 protected:
  /// The lines of the answer, or the fault.
  std::string ask(TokenRequest claims, std::optional<std::string> token = std::nullopt) {
    const auto policy = std::make_shared<const gateway::PermissionPolicy>(gateway::PermissionPolicy::built_in());
    const auto answer = check_permission(
        {.token = std::move(token), .claims = std::move(claims), .operation = "publish", .topic = kOthersSpace}, policy,
        config_, kNow);
    return answer ? answer->text : answer.error();
  }

  Config config_ = default_config();
};

TEST_F(PermissionsCheck, TheRoleIsTheClaimRole) {
  EXPECT_THAT(ask({.subject = "u", .role = "admin"}), StartsWith("allowed: \"u\" (role admin) may publish"));
}

TEST_F(PermissionsCheck, AKeysRoleIsItsOwnWhateverJwtRoleClaimsSays) {
  config_.jwt_role_claims = "app_metadata.role";
  EXPECT_THAT(ask({.subject = "key:billing", .role = "admin"}),
              StartsWith("allowed: \"key:billing\" (role admin) may publish"));
  EXPECT_THAT(ask({.subject = "key:billing", .role = "reader"}), StartsWith("denied: \"key:billing\" (role reader)"));
}

TEST_F(PermissionsCheck, AKeyHasAWordForANameAndARoleAndNoClaims) {
  EXPECT_THAT(ask({.subject = "key:", .role = "admin"}), StartsWith("--sub key:NAME: \"\" is not allowed"));
  EXPECT_THAT(ask({.subject = "key:a b", .role = "admin"}), StartsWith("--sub key:NAME: \"a b\" is not allowed"));
  EXPECT_THAT(ask({.subject = "key:a", .role = ""}), StartsWith("--role: \"\" is not allowed"));
  EXPECT_THAT(ask({.subject = "key:a", .role = "admin", .claims = {{"team", "1"}}}), StartsWith("--claim: an API key"));
}

TEST_F(PermissionsCheck, ARoleThatATokenWouldNotHaveDoesNotCountAndIsTold) {
  config_.jwt_role_claims = "app_metadata.role";
  const TokenRequest request{.subject = "u", .role = "admin"};
  const std::string answer = ask(request);
  EXPECT_THAT(answer, StartsWith("denied: \"u\" (no role)"));
  EXPECT_THAT(answer, HasSubstr("\n--role is the claim role, which gives no role here: JWT_ROLE_CLAIMS is "
                                "\"app_metadata.role\"\n"));
  config_.supabase_jwt_secret = "0123456789abcdef0123456789abcdef";
  EXPECT_THAT(ask({}, make_token(request, config_, kNow)), StartsWith("denied: \"u\" (no role)"));
}

TEST_F(PermissionsCheck, AServiceKeyOfALegacyProjectIsNobodyElses) {
  config_.supabase_jwt_secret = "0123456789abcdef0123456789abcdef";
  const TokenRequest request{.subject = "u", .role = "service_role", .claims = {{"iss", R"("supabase")"}}};
  EXPECT_THAT(ask({}, make_token(request, config_, kNow)), StartsWith("allowed: \"service_role\""));
}

TEST_F(PermissionsCheck, RolesThatCountMayComeByOtherClaims) {
  config_.jwt_role_claims = "app_metadata.role";
  const std::string answer =
      ask({.subject = "u", .role = "admin", .claims = {{"app_metadata", R"({"role":"admin"})"}}});
  EXPECT_THAT(answer, StartsWith("allowed: \"u\" (role admin)"));
  EXPECT_THAT(answer, Not(HasSubstr("JWT_ROLE_CLAIMS")));
}

}  // namespace
}  // namespace famemely::app
