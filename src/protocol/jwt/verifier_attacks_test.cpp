// What is known to have fooled verifiers of JSON Web Tokens (RFC 8725 and the CVEs named below), each tried with a
// secret and a JWKS in force at once, where confusing the two would pay most.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/base64.hpp"
#include "protocol/jwt/signer.hpp"
#include "protocol/jwt/testing.hpp"
#include "protocol/jwt/verifier.hpp"

namespace famemely::jwt {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr std::string_view kSecret = "a-secret-of-more-than-32-bytes-for-these-tests";
constexpr WallTime kNow{1'700'000'000'000ms};
constexpr std::string_view kClaims = R"({"sub":"u","aud":"authenticated","exp":1700000100})";

/// The keys of one issuer: `rsa`, `ec`, `ed` in the JWKS, and others that are not in it.
struct Issuer {
  TestKey rsa{Algorithm::rs256};
  TestKey ec{Algorithm::es256};
  TestKey ed{Algorithm::eddsa};
  TestKey evil_rsa{Algorithm::rs256};
  TestKey evil_ec{Algorithm::es256};
  TestKey evil_ed{Algorithm::eddsa};
  std::string jwks = jwks_of(rsa.jwk("rsa") + "," + ec.jwk("ec") + "," + ed.jwk("ed"));
  KeySet keys = KeySet::parse(jwks).value();

  struct Pair {
    const TestKey& good;
    const TestKey& evil;
    std::string kid;
    std::string name;
  };
  [[nodiscard]] std::vector<Pair> pairs() const {
    return {{rsa, evil_rsa, "rsa", "RS256"}, {ec, evil_ec, "ec", "ES256"}, {ed, evil_ed, "ed", "EdDSA"}};
  }
};

const Issuer& issuer() {
  static const Issuer one;
  return one;
}

Result<Claims, Refusal> verify(std::string_view token, const VerifierOptions& with = {.secret = std::string(kSecret)}) {
  return Verifier(with).verify(token, &issuer().keys, kNow);
}

std::string refusal(std::string_view token) {
  const auto claims = verify(token);
  return claims ? "accepted" : claims.error().reason;
}

std::string header(std::string_view algorithm, std::string_view kid, std::string_view more = "") {
  return R"({"alg":")" + std::string(algorithm) + R"(","typ":"JWT","kid":")" + std::string(kid) + '"' +
         std::string(more) + "}";
}

/// The token without its signature's part.
std::string signed_part(std::string_view head, std::string_view claims = kClaims) {
  return base64url_encode(head) + "." + base64url_encode(claims);
}

TEST(JwtAttacks, GoodTokensOfEveryAlgorithmAreAccepted) {
  for (const auto& pair : issuer().pairs()) {
    const auto claims = verify(pair.good.token(header(pair.name, pair.kid), kClaims));
    ASSERT_TRUE(claims) << pair.name << claims.error().reason;
    EXPECT_EQ(claims->subject, "u");
    EXPECT_EQ(claims->key_id, pair.kid);
    EXPECT_EQ(claims->key_digest, issuer().keys.find(pair.kid, pair.good.algorithm())->digest());
  }
  EXPECT_TRUE(verify(issuer().ed.token(header("Ed25519", "ed"), kClaims))) << "RFC 9864's name for the same";
  EXPECT_EQ(verify(sign_hs256(kSecret, header("HS256", "ec"), kClaims))->key_id, "") << "the secret has no name";
}

TEST(JwtAttacks, UnsignedTokens) {
  for (const char* none : {"none", "None", "NONE", "nOnE"})
    for (const char* kid : {"rsa", "ec", "ed"}) {
      const std::string part = signed_part(header(none, kid));
      EXPECT_EQ(refusal(part + "."), "unsigned tokens (alg none) are not accepted");
      EXPECT_EQ(refusal(part + "." + base64url_encode(issuer().rsa.sign(part))),
                "unsigned tokens (alg none) are not accepted");
    }
  for (const char* odd : {"", "none ", " none", "null", "nοne"})
    EXPECT_THAT(refusal(signed_part(header(odd, "rsa")) + "."), HasSubstr("not supported"));
}

TEST(JwtAttacks, EmptySignatures) {
  for (const auto& pair : issuer().pairs())
    EXPECT_EQ(refusal(signed_part(header(pair.name, pair.kid)) + "."), "signature is invalid");
  EXPECT_EQ(refusal(signed_part(header("HS256", "rsa")) + "."), "signature is invalid");
}

TEST(JwtAttacks, ThePublicKeyAsTheSecretOfHs256) {
  // CVE-2015-9235 and its many kin: every form in which a verifier may hold the key.
  for (const auto& pair : issuer().pairs()) {
    const std::string der = pair.good.public_der();
    std::string pem = base64_encode(der);
    for (std::size_t at = 64; at < pem.size(); at += 65) pem.insert(at, "\n");
    pem.insert(0, "-----BEGIN PUBLIC KEY-----\n").append("\n-----END PUBLIC KEY-----");
    for (const std::string& key : {der, pem, pem + "\n", base64url_encode(der), pair.good.jwk(pair.kid),
                                   "{" + pair.good.public_members() + "}", issuer().jwks, std::string()})
      for (const std::string& kid : {pair.kid, std::string("nobody")})
        EXPECT_EQ(refusal(sign_hs256(key, header("HS256", kid), kClaims)), "signature is invalid");
  }
}

TEST(JwtAttacks, TheSecretForAnotherAlgorithm) {
  for (const auto& pair : issuer().pairs())
    EXPECT_EQ(refusal(sign_hs256(kSecret, header(pair.name, pair.kid), kClaims)), "signature is invalid");
}

TEST(JwtAttacks, AKeyOfOneKindForAnotherAlgorithm) {
  for (const auto& one : issuer().pairs())
    for (const auto& other : issuer().pairs()) {
      if (one.name == other.name) continue;
      EXPECT_EQ(refusal(one.good.token(header(other.name, one.kid), kClaims)),
                "the key that the token names (kid) is not one for " + other.name);
      EXPECT_EQ(refusal(one.good.token(header(other.name, other.kid), kClaims)), "signature is invalid");
    }
  for (const char* name : {"PS256", "RS384", "RS512", "ES384", "ES512", "ES256K", "HS512", "Ed448", "rs256", "EDDSA"})
    for (const auto& pair : issuer().pairs())
      EXPECT_THAT(refusal(pair.good.token(header(name, pair.kid), kClaims)), HasSubstr("not supported")) << name;
}

TEST(JwtAttacks, AnotherKeyUnderTheNameOfAGoodOne) {
  for (const auto& pair : issuer().pairs())
    EXPECT_EQ(refusal(pair.evil.token(header(pair.name, pair.kid), kClaims)), "signature is invalid");
}

TEST(JwtAttacks, KeysThatTheHeaderBrings) {
  // CVE-2018-0114 and its kin: `jwk`, `jku`, `x5u`, `x5c` are ignored, not followed, and not needed.
  for (const auto& pair : issuer().pairs()) {
    const std::string own =
        ",\"jwk\":" + pair.evil.jwk(pair.kid) +
        R"(,"jku":"https://evil.example/jwks.json","x5u":"https://evil.example/c.pem","x5c":["AA"])";
    EXPECT_EQ(refusal(pair.evil.token(header(pair.name, pair.kid, own), kClaims)), "signature is invalid");
    EXPECT_EQ(refusal(pair.evil.token(header(pair.name, "evil", own), kClaims)),
              "the key that the token names (kid) is not in the JWKS");
    EXPECT_TRUE(verify(pair.good.token(header(pair.name, pair.kid, own), kClaims)));
  }
}

TEST(JwtAttacks, KidsThatAreNotNames) {
  for (const char* kid : {"../../../../dev/null", "/dev/null", "' OR 1=1 --", "x' UNION SELECT 'key", "rsa\\u0000",
                          "RSA", " rsa", "|curl evil.example", "https://evil.example/key", "0", "*"})
    for (const auto& pair : issuer().pairs()) {
      const auto claims = verify(pair.good.token(header(pair.name, kid), kClaims));
      ASSERT_FALSE(claims) << kid;
      EXPECT_EQ(claims.error(), (Refusal{"the key that the token names (kid) is not in the JWKS", true})) << kid;
    }
  EXPECT_EQ(refusal(sign_hs256("", header("HS256", "/dev/null"), kClaims)), "signature is invalid");
  EXPECT_EQ(refusal(issuer().rsa.token(header("RS256", std::string(257, 'k')), kClaims)),
            "the name of the key (kid) is too long");
}

TEST(JwtAttacks, KidsThatAreMissingOrNoText) {
  for (const auto& pair : issuer().pairs())
    for (const char* member :
         {"", R"(,"kid":"")", R"(,"kid":null)", R"(,"kid":0)", R"(,"kid":["rsa"])", R"(,"kid":{"kid":"rsa"})"})
      EXPECT_EQ(refusal(pair.good.token(R"({"alg":")" + pair.name + '"' + member + "}", kClaims)),
                pair.name + " tokens must name their key (kid)");
}

TEST(JwtAttacks, SignaturesOfOtherSizesAndForms) {
  for (const auto& pair : issuer().pairs()) {
    const std::string part = signed_part(header(pair.name, pair.kid));
    const std::string good = pair.good.sign(part);
    std::vector<std::string> bad{good + '\0', '\0' + good, good + good, std::string(good.size(), '\0'),
                                 std::string(good.size(), '\xff')};
    for (std::size_t size = 0; size < good.size(); size += 7) bad.push_back(good.substr(0, size));
    for (const std::string& signature : bad)
      EXPECT_EQ(refusal(part + "." + base64url_encode(signature)), "signature is invalid") << pair.name;
    EXPECT_TRUE(verify(part + "." + base64url_encode(good)));
  }
}

TEST(JwtAttacks, Base64Variants) {
  // RFC 7515 section 2: no padding, no line ends, no second way to write the same bytes.
  for (const auto& pair : issuer().pairs()) {
    const std::string token = pair.good.token(header(pair.name, pair.kid), kClaims);
    const std::size_t dot = token.rfind('.');
    const std::string signature = token.substr(dot + 1);
    for (const std::string& bad : {token + "=", token + "==", token + "\n", " " + token, token + "%3D", token + '\0',
                                   "=" + token, token.substr(0, dot) + "=" + token.substr(dot)})
      EXPECT_THAT(refusal(bad), StartsWith("not a JSON Web Token")) << bad;
    EXPECT_THAT(refusal(token.substr(0, dot + 1) + base64_encode(*base64url_decode(signature))),
                StartsWith("not a JSON Web Token"));
    // 64 and 256 bytes leave four spare bits in the last letter, which must be zero.
    std::string spare = token;
    spare.back() = static_cast<char>(spare.back() + 1);
    EXPECT_THAT(refusal(spare), StartsWith("not a JSON Web Token"));
  }
}

TEST(JwtAttacks, TrailingParts) {
  for (const auto& pair : issuer().pairs()) {
    const std::string token = pair.good.token(header(pair.name, pair.kid), kClaims);
    for (const std::string& bad : {token + ".", token + ".x", std::string(token).append(".").append(token), "." + token,
                                   token.substr(0, token.rfind('.')), token + ".."})
      EXPECT_THAT(refusal(bad), HasSubstr("three parts")) << bad;
  }
}

TEST(JwtAttacks, MembersThatStandTwice) {
  const std::map<std::string, std::string> twice{
      {"the header has alg twice", R"({"alg":"none","alg":"RS256","kid":"rsa"})"},
      {"the header has kid twice", R"({"alg":"RS256","kid":"evil","kid":"rsa"})"},
      {"the header has jwk twice", R"({"alg":"RS256","kid":"rsa","jwk":{},"jwk":{}})"},
  };
  for (const auto& [reason, head] : twice) EXPECT_EQ(refusal(issuer().rsa.token(head, kClaims)), reason);
  EXPECT_EQ(refusal(issuer().rsa.token(header("RS256", "rsa"),
                                       R"({"sub":"u","aud":"authenticated","exp":1700000100,"sub":"root"})")),
            "the payload has sub twice");
  EXPECT_EQ(refusal(issuer().rsa.token(header("RS256", "rsa"),
                                       R"({"sub":"u","aud":"authenticated","exp":1,"\u0065xp":1700000100})")),
            "the payload has exp twice");
}

TEST(JwtAttacks, HugeAndDeepTokens) {
  const std::string head = header("RS256", "rsa");
  const auto with = [&](const std::string& value) {
    return issuer().rsa.token(head, R"({"sub":"u","aud":"authenticated","exp":1700000100,"x":)" + value + "}");
  };
  EXPECT_EQ(refusal(with('"' + std::string(8000, 'x') + '"')), "token is over 8 KiB");
  EXPECT_EQ(refusal(std::string(4'000'000, '.')), "token is over 8 KiB");
  EXPECT_THAT(refusal(with(std::string(2000, '[') + std::string(2000, ']'))), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(signed_part(R"({"alg":"RS256","kid":"rsa","x":)" + std::string(2000, '[') +
                                  std::string(2000, ']') + "}") +
                      ".AA"),
              HasSubstr("the header is not valid JSON"));
}

TEST(JwtAttacks, CriticalExtensions) {
  for (const char* more : {R"(,"crit":["exp"])", R"(,"crit":[])", R"(,"b64":false,"crit":["b64"])", R"(,"crit":null)"})
    EXPECT_THAT(refusal(issuer().rsa.token(header("RS256", "rsa", more), kClaims)), HasSubstr("crit"));
}

TEST(JwtAttacks, EncryptedTokensAndOtherForms) {
  EXPECT_THAT(refusal("a.b.c.d.e"), HasSubstr("three parts"));
  EXPECT_THAT(refusal(R"({"payload":"x","signatures":[]})"), HasSubstr("three parts"));
  EXPECT_THAT(refusal(signed_part(R"({"alg":"RSA-OAEP","enc":"A256GCM"})") + ".AA"), HasSubstr("not supported"));
}

TEST(JwtAttacks, ClaimsThatAreSignedButNonsense) {
  const auto with = [](std::string_view claims) { return issuer().ec.token(header("ES256", "ec"), claims); };
  const std::map<std::string, std::string> bad{
      {R"({"aud":"authenticated","sub":"u"})", "exp is missing"},
      {R"({"aud":"authenticated","sub":"u","exp":"1700000100"})", "exp must be a number"},
      {R"({"aud":"authenticated","sub":"u","exp":null})", "exp must be a number"},
      {R"({"aud":"authenticated","sub":"u","exp":true})", "exp must be a number"},
      {R"({"aud":"authenticated","sub":"u","exp":-1})", "exp must not be negative"},
      {R"({"aud":"authenticated","sub":"u","exp":[1700000100]})", "exp must be a number"},
      {R"({"aud":"authenticated","exp":1700000100})", "sub is missing"},
      {R"({"aud":"authenticated","exp":1700000100,"sub":1})", "sub must be a non-empty string"},
      {R"({"aud":"authenticated","exp":1700000100,"sub":null})", "sub must be a non-empty string"},
      {R"({"aud":"authenticated","exp":1700000100,"sub":["u"]})", "sub must be a non-empty string"},
      {R"({"aud":"authenticated","exp":1700000100,"sub":""})", "sub must be a non-empty string"},
      {R"({"aud":"others","exp":1700000100,"sub":"u"})",
       "aud is not the expected audience; JWT_AUDIENCE expects authenticated"},
      {"[]", "the payload is not a JSON object"},
      {"", "the payload is not valid JSON: the text is empty"},
  };
  for (const auto& [claims, reason] : bad)
    EXPECT_THAT(refusal(with(claims)), StartsWith(reason.substr(0, reason.find(':')))) << claims;
}

TEST(JwtAttacks, AServiceKeyThatAJwksSigned) {
  // The legacy service key is HS256. To a key of the JWKS these are claims like others: no sub, no user.
  EXPECT_NE(
      refusal(issuer().ec.token(header("ES256", "ec"), R"({"iss":"supabase","role":"service_role","exp":1700000100})")),
      "accepted");
  const auto claims = verify(issuer().ec.token(
      header("ES256", "ec"),
      R"({"iss":"supabase","role":"service_role","exp":1700000100,"sub":"u","aud":"authenticated"})"));
  ASSERT_TRUE(claims);
  EXPECT_FALSE(claims->backend_only);
  EXPECT_EQ(claims->subject, "u");
}

TEST(JwtAttacks, AnEmptyJwksTurnsNothingOn) {
  const KeySet none;
  const Verifier verifier(VerifierOptions{});
  const auto of_secret = verifier.verify(sign_hs256("", header("HS256", "k"), kClaims), &none, kNow);
  EXPECT_EQ(of_secret.error().reason, "no secret is configured for HS256: set SUPABASE_JWT_SECRET");
  const auto of_key = verifier.verify(issuer().rsa.token(header("RS256", "rsa"), kClaims), &none, kNow);
  EXPECT_TRUE(of_key.error().unknown_key);
}

TEST(JwtAttacks, EverySingleChangedBit) {
  const std::string token = issuer().ed.token(header("EdDSA", "ed"), kClaims);
  for (std::size_t at = 0; at < token.size(); ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = token;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << bit));
      EXPECT_FALSE(verify(changed)) << at << " " << bit;
    }
}

}  // namespace
}  // namespace famemely::jwt
