// What it costs to know a token: verified by each algorithm, refused for its signature or for its key, and remembered.
// The figures are tokens per second of one core; each is the median of several rounds, which take turns.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/sign_ins.hpp"
#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/testing.hpp"

namespace {

using namespace famemely;
using namespace famemely::gateway;

constexpr int kRounds = 15;
constexpr double kRoundSeconds = 0.1;
constexpr std::string_view kSecret = "the-bench-signs-its-tokens-with-this-secret";
const WallTime kNow{std::chrono::seconds(1'800'000'000)};

/// The claims of a token as Supabase issues them, about 900 bytes.
std::string claims() {
  return R"({"iss":"https://abcdefghijkl.supabase.co/auth/v1","sub":"5d3a3f0e-8a0b-4f3a-9a52-3a9c0f6f2c11",)"
         R"("aud":"authenticated","exp":1800003600,"iat":1800000000,"email":"someone@example.com","phone":"",)"
         R"("app_metadata":{"provider":"email","providers":["email","google"],"roles":["editor"]},)"
         R"("user_metadata":{"avatar_url":"https://example.com/avatars/5d3a3f0e.png","full_name":"Some One"},)"
         R"("role":"authenticated","aal":"aal1","amr":[{"method":"password","timestamp":1800000000}],)"
         R"("session_id":"0c8f7c56-3c0f-4d8f-8e53-1e2b7a9f9f10","is_anonymous":false})";
}

struct Case {
  std::string name;
  std::function<bool()> once;  // true: accepted
  bool accepts;
  std::vector<double> rates{};
};

/// Tokens per second of CPU time.
double rate(const Case& one) {
  long count = 0;
  const std::clock_t begin = std::clock();
  const auto end = begin + static_cast<std::clock_t>(kRoundSeconds * CLOCKS_PER_SEC);
  std::clock_t now = begin;
  for (; now < end; now = std::clock())
    for (int i = 0; i < 32; ++i, ++count)
      if (one.once() != one.accepts) std::abort();
  return static_cast<double>(count) * CLOCKS_PER_SEC / static_cast<double>(now - begin);
}

}  // namespace

int main() {
  const jwt::TestKey rsa(jwt::Algorithm::rs256);
  const jwt::TestKey ec(jwt::Algorithm::es256);
  const jwt::TestKey ed(jwt::Algorithm::eddsa);
  Authenticator authenticator(jwt::Verifier({.secret = std::string(kSecret)}), RoleClaims::defaults());
  authenticator.set_jwks(
      {.keys = std::make_shared<const jwt::KeySet>(
           jwt::KeySet::parse(jwt::jwks_of(rsa.jwk("rsa") + "," + ec.jwk("ec") + "," + ed.jwk("ed"))).value())});
  SignIns sign_ins(authenticator, std::make_shared<const PermissionPolicy>(PermissionPolicy::built_in()));

  const std::string hs256 = jwt::sign_hs256(kSecret, claims());
  const std::string rs256 = rsa.token(rsa.header("rsa"), claims());
  const std::string es256 = ec.token(ec.header("ec"), claims());
  const std::string eddsa = ed.token(ed.header("ed"), claims());
  const std::string forged = jwt::TestKey(jwt::Algorithm::es256).token(ec.header("ec"), claims());
  const std::string unknown = ec.token(ec.header("other"), claims());
  const auto verify = [&](const std::string& token) {
    return [&] { return authenticator.authenticate(token, true, kNow).has_value(); };
  };
  std::vector<Case> cases{
      {"HS256", verify(hs256), true},
      {"RS256", verify(rs256), true},
      {"ES256", verify(es256), true},
      {"EdDSA", verify(eddsa), true},
      {"ES256 of another key, refused", verify(forged), false},
      {"ES256 of an unknown kid, refused", verify(unknown), false},
      {"ES256, remembered", [&] { return sign_ins.sign_in(es256, true, kNow).has_value(); }, true},
  };
  for (int round = 0; round < kRounds; ++round)
    for (Case& one : cases) one.rates.push_back(rate(one));
  std::printf("{\"token_bytes\":%zu,\"rounds\":%d}\n", es256.size(), kRounds);
  for (Case& one : cases) {
    std::ranges::sort(one.rates);
    std::printf("{\"case\":\"%s\",\"tokens_per_second_and_core\":%.0f,\"lowest\":%.0f,\"highest\":%.0f}\n",
                one.name.c_str(), one.rates[one.rates.size() / 2], one.rates.front(), one.rates.back());
  }
}
