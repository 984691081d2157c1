#include "api/admin_sessions.hpp"

#include <gtest/gtest.h>

#include "protocol/jwt/signer.hpp"

namespace famemely::api {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kKey = "a-key-of-this-process-and-no-other";
constexpr WallTime kNow(std::chrono::seconds(1'800'000'000));
const AdminSessions kSessions{std::string(kKey)};
const AdminSession kRoot{"root", kNow + milliseconds(1500)};

TEST(AdminSessions, FindsWhatItHasMade) { EXPECT_EQ(kSessions.find(kSessions.make_id(kRoot), kNow), kRoot); }

TEST(AdminSessions, IsKnownToAnotherWorkerOfTheProcess) {
  EXPECT_EQ(AdminSessions(std::string(kKey)).find(kSessions.make_id(kRoot), kNow), kRoot);
}

TEST(AdminSessions, EndsWithTheTokenItWasMadeWith) {
  const std::string id = kSessions.make_id(kRoot);
  EXPECT_TRUE(kSessions.find(id, kNow + milliseconds(1499)));
  EXPECT_FALSE(kSessions.find(id, kNow + milliseconds(1500)));
}

TEST(AdminSessions, IsNotTakenFromAnotherProcess) {
  const AdminSessions other("a-key-of-another-process-altogether");
  EXPECT_FALSE(other.find(kSessions.make_id(kRoot), kNow));
}

TEST(AdminSessions, IsNoTokenOfAUser) {
  const std::string claims = R"({"aud":"authenticated","sub":"root","exp":1800003600})";
  EXPECT_FALSE(kSessions.find(jwt::sign_hs256(kKey, claims), kNow));
  EXPECT_FALSE(jwt::Verifier({.secret = std::string(kKey)}).verify(kSessions.make_id(kRoot), nullptr, kNow));
}

TEST(AdminSessions, RefusesGarbage) {
  std::string id = kSessions.make_id(kRoot);
  for (const char* bad : {"", ".", "..", "x.y.z"}) EXPECT_FALSE(kSessions.find(bad, kNow)) << bad;
  id[id.size() / 2] = id[id.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(kSessions.find(id, kNow));
}

TEST(AdminSessions, KeepsTheKeyThatVouched) {
  const AdminSession by_jwks{
      "u", kNow + milliseconds(7), "kid \"1\"", {gateway::KeyKind::jwks, std::string(32, '\xfe')}, ""};
  EXPECT_EQ(kSessions.find(kSessions.make_id(by_jwks), kNow), by_jwks);
  const AdminSession by_api_key{
      "key:n", kNow + milliseconds(7), "n", {gateway::KeyKind::api_key, std::string(32, '\0')}, "admin"};
  EXPECT_EQ(kSessions.find(kSessions.make_id(by_api_key), kNow), by_api_key);
}

TEST(AdminSessions, KeepsTheUserAsItIs) {
  const AdminSession odd{"a \"quoted\" user\\", kNow + milliseconds(7)};
  EXPECT_EQ(kSessions.find(kSessions.make_id(odd), kNow), odd);
}

}  // namespace
}  // namespace famemely::api
