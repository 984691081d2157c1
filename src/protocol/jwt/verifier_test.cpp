#include "protocol/jwt/verifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "protocol/jwt/signer.hpp"

namespace famemely::jwt {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::string_view kSecret = "a-secret-of-more-than-32-bytes-for-these-tests";
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
constexpr WallTime kNow{1'700'000'000'000ms};

VerifierOptions options() { return {.secret = std::string(kSecret)}; }

std::string signed_token(std::string_view payload) { return sign_hs256(kSecret, payload); }

/// A signature that fits whatever the header says: what an attacker with the secret, or a careless verifier, makes.
std::string with_header(std::string_view header) {
  return sign_hs256(kSecret, header, R"({"sub":"u","aud":"authenticated","exp":1700000100})");
}

Result<Claims, std::string> verify(std::string_view token, const VerifierOptions& with = options()) {
  auto claims = Verifier(with).verify(token, nullptr, kNow);
  if (!claims) return failure(claims.error().reason);
  return *std::move(claims);
}

std::string refusal(std::string_view token, const VerifierOptions& with = options()) {
  const auto claims = verify(token, with);
  return claims ? "accepted" : claims.error();
}

/// The claims of a good token, with what the test adds.
std::string claims_with(std::string_view more) {
  return R"({"sub":"u","aud":"authenticated","exp":1700000100)" + std::string(more) + "}";
}

TEST(JwtVerifier, AcceptsAGoodToken) {
  const std::string payload = R"({"sub":"user-1","aud":"authenticated","role":"authenticated","exp":1700000100})";
  EXPECT_EQ(verify(signed_token(payload)), (Claims{"user-1", WallTime(1'700'000'100'000ms), false, payload}));
}

TEST(JwtVerifier, AcceptsTheKidThatSupabaseStampsAndFollowsNoKeyOfTheHeader) {
  EXPECT_TRUE(verify(with_header(R"({"alg":"HS256","kid":"../../dev/null"})")));
  EXPECT_TRUE(verify(with_header(R"({"alg":"HS256","kid":"x' UNION SELECT 'key"})")));
  EXPECT_TRUE(verify(with_header(R"({"alg":"HS256","jku":"https://evil.example/keys","x5u":"https://evil.example"})")));
  const std::string own_key = R"({"alg":"HS256","jwk":{"kty":"oct","k":"ZXZpbA"},"jku":"https://evil.example/keys"})";
  EXPECT_EQ(refusal(sign_hs256("evil", own_key, claims_with(""))), "signature is invalid");
  // An empty key is what a lookup of a kid that points nowhere would give.
  EXPECT_EQ(refusal(sign_hs256("", R"({"alg":"HS256","kid":"/dev/null"})", claims_with(""))), "signature is invalid");
}

TEST(JwtVerifier, RefusesUnsignedTokens) {
  for (std::string_view none : {"none", "None", "NONE", "nOnE"}) {
    const std::string header = R"({"alg":")" + std::string(none) + "\"}";
    const std::string unsigned_token = base64url_encode(header) + "." + base64url_encode(claims_with("")) + ".";
    EXPECT_EQ(refusal(unsigned_token), "unsigned tokens (alg none) are not accepted");
    EXPECT_EQ(refusal(with_header(header)), "unsigned tokens (alg none) are not accepted");
  }
}

TEST(JwtVerifier, RefusesAnEmptyOrShortenedSignature) {
  const std::string token = signed_token(claims_with(""));
  const std::size_t dot = token.rfind('.');
  EXPECT_EQ(refusal(token.substr(0, dot + 1)), "signature is invalid");
  EXPECT_EQ(refusal(token.substr(0, dot)), "not a JSON Web Token: three parts separated by dots are expected");
  const std::string mac = *base64url_decode(token.substr(dot + 1));
  for (std::size_t size = 0; size < mac.size(); ++size)
    EXPECT_EQ(refusal(token.substr(0, dot + 1) + base64url_encode(mac.substr(0, size))), "signature is invalid");
  EXPECT_EQ(refusal(token.substr(0, dot + 1) + base64url_encode(mac + "x")), "signature is invalid");
}

TEST(JwtVerifier, RefusesEverySingleChangedBit) {
  const std::string token = signed_token(claims_with(""));
  for (std::size_t at = 0; at < token.size(); ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = token;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << bit));
      EXPECT_FALSE(verify(changed)) << at << " " << bit;
    }
}

TEST(JwtVerifier, RefusesTheSignatureOfAnotherToken) {
  const std::string mine = signed_token(claims_with(""));
  const std::string other = signed_token(claims_with(R"(,"role":"admin")"));
  EXPECT_EQ(refusal(other.substr(0, other.rfind('.')) + mine.substr(mine.rfind('.'))), "signature is invalid");
}

TEST(JwtVerifier, SaysThatAsymmetricAlgorithmsNeedAJwks) {
  for (std::string name : {"RS256", "ES256", "EdDSA"})
    EXPECT_EQ(refusal(with_header(R"({"alg":")" + name + "\"}")),
              "no JWKS is configured to verify " + name + " tokens: set SUPABASE_URL or SUPABASE_JWKS_URL");
}

TEST(JwtVerifier, RefusesEveryOtherAlgorithm) {
  for (std::string name : {"HS384", "HS512", "PS256", "RS512", "hs256", "HS256 ", "", "A128KW"})
    EXPECT_EQ(refusal(with_header(R"({"alg":")" + name + "\"}")),
              "the algorithm is not supported; use HS256, RS256, ES256 or EdDSA")
        << name;
  for (std::string_view header : {R"({})", R"({"alg":null})", R"({"alg":["HS256"]})", R"({"alg":256})"})
    EXPECT_EQ(refusal(with_header(header)), "the header names no algorithm (alg)") << header;
}

TEST(JwtVerifier, RefusesCriticalExtensions) {
  EXPECT_THAT(refusal(with_header(R"({"alg":"HS256","crit":["b64"],"b64":false})")), HasSubstr("crit"));
}

TEST(JwtVerifier, RefusesTokensOfAnotherType) {
  for (std::string_view type : {"JWT", "jwt", "at+jwt", "application/JWT"})
    EXPECT_TRUE(verify(with_header(R"({"alg":"HS256","typ":")" + std::string(type) + "\"}"))) << type;
  EXPECT_TRUE(verify(with_header(R"({"alg":"HS256"})")));
  for (std::string_view type : {R"("secevent+jwt")", R"("dpop+jwt")", R"("")", "null", "1", R"(["JWT"])"})
    EXPECT_EQ(refusal(with_header(R"({"alg":"HS256","typ":)" + std::string(type) + "}")),
              "the header names another type than JWT (typ)")
        << type;
}

TEST(JwtVerifier, RefusesHs256WithoutASecret) {
  EXPECT_EQ(refusal(sign_hs256("", kHeader, claims_with("")), {}),
            "no secret is configured for HS256: set SUPABASE_JWT_SECRET");
}

TEST(JwtVerifier, RefusesTokensOverEightKib) {
  const auto padded = [](std::size_t letters) {
    return signed_token(claims_with(R"(,"x":")" + std::string(letters, 'x') + "\""));
  };
  std::size_t letters = 6000;
  while (padded(letters + 1).size() <= kTokenBytesMax) ++letters;
  EXPECT_TRUE(verify(padded(letters)));
  EXPECT_EQ(refusal(padded(letters + 1)), "token is over 8 KiB");
  EXPECT_EQ(refusal(std::string(4'000'000, 'a')), "token is over 8 KiB");
}

TEST(JwtVerifier, WantsExactlyThreeStrictBase64urlParts) {
  const std::string token = signed_token(claims_with(""));
  for (const std::string& bad : {std::string(), std::string("."), std::string("abc"), std::string("a.b"), token + ".",
                                 token + ".x", "." + token})
    EXPECT_THAT(refusal(bad), HasSubstr("three parts")) << bad;
  for (const std::string& bad : {token + "=", token + "\n", " " + token, token + "+", "=" + token})
    EXPECT_THAT(refusal(bad), HasSubstr("base64url")) << bad;
  EXPECT_FALSE(verify(".."));
}

TEST(JwtVerifier, RefusesStrayBitsAfterTheLastByteOfTheSignature) {
  // 32 bytes are 43 letters, of which the last has two bits to spare: four spellings, one of them canonical.
  std::string token = signed_token(claims_with(""));
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  token.back() = kLetters[kLetters.find(token.back()) + 1];
  EXPECT_THAT(refusal(token), HasSubstr("base64url"));
}

TEST(JwtVerifier, WantsObjects) {
  for (std::string_view header : {"[]", "\"HS256\"", "null", "1"})
    EXPECT_EQ(refusal(with_header(header)), "the header is not a JSON object") << header;
  for (std::string_view payload : {"[]", "\"u\"", "null", "1"})
    EXPECT_EQ(refusal(signed_token(payload)), "the payload is not a JSON object") << payload;
  EXPECT_THAT(refusal(with_header("{\"alg\":\"HS256\"")), HasSubstr("the header is not valid JSON"));
  EXPECT_THAT(refusal(signed_token("{\"sub\":\"u\",}")), HasSubstr("the payload is not valid JSON"));
  EXPECT_THAT(refusal(signed_token("")), HasSubstr("the payload is not valid JSON"));
  EXPECT_EQ(refusal(signed_token("{\"sub\":\"\xFF\"}")), "the payload is not UTF-8");
}

TEST(JwtVerifier, RefusesRepeatedClaims) {
  EXPECT_EQ(refusal(signed_token(claims_with(R"(,"sub":"admin")"))), "the payload has sub twice");
  EXPECT_EQ(refusal(signed_token(claims_with(R"(,"\u0073ub":"admin")"))), "the payload has sub twice");
  EXPECT_EQ(refusal(signed_token(claims_with(R"(,"app_metadata":{"role":"a","x":1,"role":"b"})"))),
            "the payload has role twice");
  EXPECT_EQ(refusal(signed_token(claims_with(R"(,"list":[[{"a":1,"a":2}]])"))), "the payload has a twice");
  EXPECT_EQ(refusal(with_header(R"({"alg":"HS256","alg":"none"})")), "the header has alg twice");
  EXPECT_TRUE(verify(signed_token(claims_with(R"(,"a":{"sub":1},"b":{"sub":2})"))));
}

TEST(JwtVerifier, RefusesDeepJson) {
  const auto nested = [](std::size_t depth) {
    return signed_token(claims_with(",\"x\":" + std::string(depth, '[') + std::string(depth, ']')));
  };
  EXPECT_TRUE(verify(nested(63)));
  EXPECT_THAT(refusal(nested(64)), HasSubstr("nested over 64 deep"));
  EXPECT_THAT(refusal(nested(2000)), HasSubstr("nested over 64 deep"));
}

TEST(JwtVerifier, WantsAnExpiryThatIsANumber) {
  const auto with_expiry = [](std::string_view exp) {
    return signed_token(R"({"sub":"u","aud":"authenticated","exp":)" + std::string(exp) + "}");
  };
  EXPECT_EQ(refusal(signed_token(R"({"sub":"u","aud":"authenticated"})")), "exp is missing");
  for (std::string_view bad : {"\"1700000100\"", "null", "true", "[1700000100]", "{}", "1e999"})
    EXPECT_EQ(refusal(with_expiry(bad)), "exp must be a number") << bad;
  EXPECT_EQ(refusal(with_expiry("-1")), "exp must not be negative");
  EXPECT_EQ(verify(with_expiry("1700000100.25"))->expires_at, WallTime(1'700'000'100'250ms));
  EXPECT_EQ(verify(with_expiry("17000001e2"))->expires_at, WallTime(1'700'000'100'000ms));
}

TEST(JwtVerifier, CutsFarAwayExpiriesToWhatCanBeWritten) {
  for (std::string far : {"253402300800", "1e300"}) {
    const auto claims = verify(signed_token(R"({"sub":"u","aud":"authenticated","exp":)" + far + "}"));
    ASSERT_TRUE(claims) << claims.error();
    EXPECT_EQ(to_iso8601(claims->expires_at), "9999-12-31T23:59:59.000Z");
  }
}

TEST(JwtVerifier, GivesLeewayAfterTheExpiry) {
  const Verifier verifier(options());
  const std::string token = signed_token(R"({"sub":"u","aud":"authenticated","exp":1700000000})");
  EXPECT_TRUE(verifier.verify(token, nullptr, kNow + 9999ms));
  EXPECT_EQ(verifier.verify(token, nullptr, kNow + 10s).error().reason, "token expired at 2023-11-14T22:13:20.000Z");
}

TEST(JwtVerifier, GivesLeewayBeforeNotBeforeAndIssuedAt) {
  EXPECT_TRUE(verify(signed_token(claims_with(R"(,"nbf":1700000010,"iat":1700000010)"))));
  EXPECT_THAT(refusal(signed_token(claims_with(R"(,"nbf":1700000010.5)"))), HasSubstr("(nbf)"));
  EXPECT_THAT(refusal(signed_token(claims_with(R"(,"iat":1700000010.5)"))), HasSubstr("issued in the future"));
  for (std::string name : {"nbf", "iat"}) {
    EXPECT_EQ(refusal(signed_token(claims_with(",\"" + name + "\":\"1\""))), name + " must be a number");
    EXPECT_EQ(refusal(signed_token(claims_with(",\"" + name + "\":-1"))), name + " must not be negative");
  }
}

TEST(JwtVerifier, ChecksTheAudience) {
  const auto with_audience = [](std::string_view member) {
    return signed_token(R"({"sub":"u","exp":1700000100)" + std::string(member) + "}");
  };
  EXPECT_TRUE(verify(with_audience(R"(,"aud":["other","authenticated"])")));
  EXPECT_EQ(refusal(with_audience("")), "aud is missing; JWT_AUDIENCE expects authenticated");
  for (std::string_view other : {R"("other")", "[]", R"(["a","b"])", R"("Authenticated")", R"("")"})
    EXPECT_EQ(refusal(with_audience(R"(,"aud":)" + std::string(other))),
              "aud is not the expected audience; JWT_AUDIENCE expects authenticated");
  for (std::string_view bad : {"1", "null", R"({"authenticated":1})", R"(["authenticated",1])"})
    EXPECT_EQ(refusal(with_audience(R"(,"aud":)" + std::string(bad))), "aud must be a string or an array of strings");
  EXPECT_TRUE(verify(with_audience(""), {.secret = std::string(kSecret), .audience = ""}));
}

TEST(JwtVerifier, ChecksTheIssuerWhenOneIsExpected) {
  VerifierOptions with = options();
  with.issuer = "https://p.supabase.co/auth/v1";
  EXPECT_TRUE(verify(signed_token(claims_with(R"(,"iss":"https://p.supabase.co/auth/v1")")), with));
  for (std::string_view other :
       {"", R"(,"iss":"https://q.supabase.co/auth/v1")", R"(,"iss":1)", R"(,"iss":["https://p.supabase.co/auth/v1"])"})
    EXPECT_THAT(refusal(signed_token(claims_with(other)), with), HasSubstr("SUPABASE_URL"));
  EXPECT_TRUE(verify(signed_token(claims_with(R"(,"iss":"anyone")"))));
}

TEST(JwtVerifier, WantsASubjectThatIsANonEmptyString) {
  EXPECT_EQ(refusal(signed_token(R"({"aud":"authenticated","exp":1700000100})")), "sub is missing");
  for (std::string_view bad : {"\"\"", "1", "null", "true", "[\"u\"]", "{\"u\":1}", "\"\\ud800\""})
    EXPECT_EQ(refusal(signed_token(R"({"aud":"authenticated","exp":1700000100,"sub":)" + std::string(bad) + "}")),
              "sub must be a non-empty string");
}

TEST(JwtVerifier, TakesSupabasesServiceKeyForABackend) {
  const std::string payload =
      R"({"iss":"supabase","ref":"abc","role":"service_role","iat":1600000000,"exp":1900000000})";
  VerifierOptions with = options();
  with.issuer = "https://p.supabase.co/auth/v1";
  EXPECT_EQ(verify(signed_token(payload), with),
            (Claims{"service_role", WallTime(1'900'000'000'000ms), true, payload}));
}

TEST(JwtVerifier, TakesTheDemoServiceKeyOnLoopbackOnly) {
  const std::string token = signed_token(R"({"iss":"supabase-demo","role":"service_role","exp":1900000000})");
  EXPECT_THAT(refusal(token), HasSubstr("loopback"));
  VerifierOptions with = options();
  with.loopback_only = true;
  EXPECT_TRUE(verify(token, with)->backend_only);
}

TEST(JwtVerifier, ChecksTheServiceKeyLikeAnyOtherToken) {
  EXPECT_EQ(refusal(signed_token(R"({"iss":"supabase","role":"service_role"})")), "exp is missing");
  EXPECT_THAT(refusal(signed_token(R"({"iss":"supabase","role":"service_role","exp":1600000000})")),
              HasSubstr("expired"));
  EXPECT_EQ(refusal(sign_hs256("other", R"({"iss":"supabase","role":"service_role","exp":1900000000})")),
            "signature is invalid");
}

TEST(JwtVerifier, GivesNoPrivilegeToTheServiceRoleOfAnotherIssuer) {
  EXPECT_THAT(refusal(signed_token(R"({"iss":"evil","role":"service_role","exp":1900000000})")), HasSubstr("aud"));
  EXPECT_FALSE(verify(signed_token(claims_with(R"(,"role":"service_role")")))->backend_only);
}

TEST(JwtVerifier, RefusesTheAnonKeyByName) {
  for (std::string issuer : {"supabase", "supabase-demo", "else"})
    EXPECT_EQ(refusal(signed_token(R"({"iss":")" + issuer + R"(","role":"anon","exp":1900000000})")),
              "this is the Supabase anon key, not a user token");
}

TEST(JwtVerifier, RefusesSupabaseApiKeysByName) {
  for (std::string_view key : {"sb_publishable_abc", "sb_secret_abc_def"}) {
    EXPECT_EQ(refusal(key), "This is a Supabase API key, not a user token");
    EXPECT_EQ(refusal_message(refusal(key)), "This is a Supabase API key, not a user token");
  }
  EXPECT_EQ(refusal_message("exp is missing"), "Token verification failed: exp is missing");
}

}  // namespace
}  // namespace famemely::jwt
