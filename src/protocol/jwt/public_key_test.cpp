#include "protocol/jwt/public_key.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "protocol/jwt/testing.hpp"

namespace famemely::jwt {
namespace {

using ::testing::HasSubstr;

Result<PublicKey, std::string> read(const std::string& members) {
  const std::string text = "{" + members + "}";
  return PublicKey::from_jwk(JsonView::parse(text).value());
}

std::string fault(const std::string& members) {
  const auto key = read(members);
  return key ? "none" : key.error();
}

/// The member with another value.
std::string with(std::string members, std::string_view name, std::string_view value) {
  const std::string mark = "\"" + std::string(name) + "\":\"";
  const std::size_t at = members.find(mark) + mark.size();
  return members.replace(at, members.find('"', at) - at, value);
}

class PublicKeyTest : public ::testing::TestWithParam<Algorithm> {};

TEST_P(PublicKeyTest, VerifiesWhatItsOtherHalfSigned) {
  const TestKey pair(GetParam());
  const TestKey other(GetParam());
  const auto key = read(pair.public_members());
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(key->algorithm(), GetParam());
  const std::string signature = pair.sign("text");
  EXPECT_TRUE(key->verifies("text", signature));
  EXPECT_FALSE(key->verifies("Text", signature));
  EXPECT_FALSE(key->verifies("", signature));
  EXPECT_FALSE(key->verifies("text", other.sign("text")));
}

TEST_P(PublicKeyTest, RefusesChangedShortenedAndLongerSignatures) {
  const TestKey pair(GetParam());
  const auto key = read(pair.public_members());
  const std::string signature = pair.sign("text");
  for (std::size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(key->verifies("text", changed)) << i;
    EXPECT_FALSE(key->verifies("text", std::string_view(signature).substr(0, i))) << i;
  }
  EXPECT_FALSE(key->verifies("text", signature + '\0'));
  EXPECT_FALSE(key->verifies("text", '\0' + signature));
  EXPECT_FALSE(key->verifies("text", std::string(signature.size(), '\0')));
  EXPECT_FALSE(key->verifies("text", std::string(signature.size(), '\xff')));
}

TEST_P(PublicKeyTest, HasADigestOfItsOwn) {
  const TestKey pair(GetParam());
  const auto key = read(pair.public_members());
  EXPECT_EQ(key->digest(), read(pair.public_members())->digest());
  EXPECT_NE(key->digest(), read(TestKey(GetParam()).public_members())->digest());
}

TEST_P(PublicKeyTest, RefusesAPrivateKeyThatWasPublished) {
  const TestKey pair(GetParam());
  EXPECT_EQ(fault(pair.public_members() + R"(,"d":"c2VjcmV0")"),
            "it holds a private key (d), which must never stand in a JWKS");
}

INSTANTIATE_TEST_SUITE_P(Algorithms, PublicKeyTest,
                         ::testing::Values(Algorithm::rs256, Algorithm::es256, Algorithm::eddsa),
                         [](const auto& one) { return std::string(algorithm_name(one.param)); });

TEST(PublicKey, RefusesOtherKinds) {
  EXPECT_THAT(fault(R"("kty":"oct","k":"c2VjcmV0")"), HasSubstr("shared secret"));
  for (const char* members : {"", R"("kty":"rsa")", R"("kty":1)", R"("kty":"AKP")", R"("kty":["RSA"])"})
    EXPECT_EQ(fault(members), "its kty is not RSA, EC or OKP");
}

TEST(PublicKey, RefusesShortRsaKeys) {
  EXPECT_EQ(fault(TestKey(Algorithm::rs256, 1024).public_members()),
            "its modulus has 1024 bits; at least 2048 are wanted");
  EXPECT_EQ(fault(TestKey(Algorithm::rs256, 2040).public_members()),
            "its modulus has 2040 bits; at least 2048 are wanted");
  // Zeros in front don't make it longer.
  const std::string short_one = TestKey(Algorithm::rs256, 1024).public_members();
  const std::size_t at = short_one.find("\"n\":\"") + 5;
  const std::string n = *base64url_decode(short_one.substr(at, short_one.find('"', at) - at));
  EXPECT_THAT(fault(with(short_one, "n", base64url_encode(std::string(128, '\0') + n))), HasSubstr("has 1024 bits"));
}

TEST(PublicKey, RefusesRsaNumbersThatCostTimeOrAreNone) {
  const std::string good = TestKey(Algorithm::rs256).public_members();
  EXPECT_EQ(fault(with(good, "n", base64url_encode(std::string(1025, '\xff')))),
            "its modulus is longer than 8192 bits");
  EXPECT_EQ(fault(with(good, "n", base64url_encode(std::string(100'000, '\xff')))),
            "its modulus is longer than 8192 bits");
  EXPECT_EQ(fault(with(good, "e", base64url_encode(std::string(5, '\xff')))), "its exponent is longer than 32 bits");
  for (std::string_view bad : {std::string_view("\x01"), std::string_view("\x02"), std::string_view("\0", 1)})
    EXPECT_EQ(fault(with(good, "e", base64url_encode(bad))), "n or e is not that of an RSA key");
  EXPECT_EQ(fault(with(good, "n", base64url_encode(std::string(256, '\xfe')))), "n or e is not that of an RSA key");
  EXPECT_EQ(fault(with(good, "n", "=")), "n and e must be base64url");
  EXPECT_EQ(fault(R"("kty":"RSA","n":1,"e":"AQAB")"), "n and e must be base64url");
}

TEST(PublicKey, RefusesEcKeysOffTheCurve) {
  const std::string good = TestKey(Algorithm::es256).public_members();
  const std::string zeros(32, '\0');
  EXPECT_EQ(fault(with(with(good, "x", base64url_encode(zeros)), "y", base64url_encode(zeros))),
            "x and y are no point of the curve");
  EXPECT_EQ(fault(with(good, "x", base64url_encode(std::string(32, '\x01')))), "x and y are no point of the curve");
  EXPECT_EQ(fault(with(good, "x", base64url_encode(std::string(32, '\xff')))), "x and y are no point of the curve");
  for (std::size_t size : {0U, 31U, 33U})
    EXPECT_THAT(fault(with(good, "y", base64url_encode(std::string(size, '\x01')))), HasSubstr("32 bytes each"));
  for (const char* curve : {"P-384", "secp256k1", "", "p-256"})
    EXPECT_EQ(fault(with(good, "crv", curve)), "its curve (crv) is not P-256");
}

TEST(PublicKey, RefusesOtherCurvesForEdDsa) {
  const std::string good = TestKey(Algorithm::eddsa).public_members();
  for (const char* curve : {"Ed448", "X25519", ""})
    EXPECT_EQ(fault(with(good, "crv", curve)), "its curve (crv) is not Ed25519");
  for (std::size_t size : {0U, 31U, 33U})
    EXPECT_EQ(fault(with(good, "x", base64url_encode(std::string(size, '\x01')))), "x must be 32 bytes, in base64url");
}

TEST(PublicKey, RefusesTheSignatureOfZeros) {
  // CVE-2022-21449: r and s of zero satisfied a verifier that did not look at them first.
  const TestKey pair(Algorithm::es256);
  const auto key = read(pair.public_members());
  const std::string zeros(32, '\0');
  const std::string order =
      *base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");  // n of P-256, SEC 2 section 2.4.2
  const std::string signature = pair.sign("text");
  for (const std::string& r : {zeros, order, signature.substr(0, 32)})
    for (const std::string& s : {zeros, order, signature.substr(32)})
      EXPECT_EQ(key->verifies("text", r + s), r + s == signature);
}

TEST(PublicKey, RefusesEcSignaturesInAsn1) {
  const TestKey pair(Algorithm::es256);
  const std::string raw = pair.sign("text");
  // Both numbers positive as they stand, so that this is the DER that other protocols would take.
  std::string der{"\x30\x46\x02\x21\x00", 5};
  der += raw.substr(0, 32) + std::string("\x02\x21\x00", 3) + raw.substr(32);
  EXPECT_FALSE(read(pair.public_members())->verifies("text", der));
}

}  // namespace
}  // namespace famemely::jwt
