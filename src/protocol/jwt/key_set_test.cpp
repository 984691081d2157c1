#include "protocol/jwt/key_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/jwt/testing.hpp"

namespace famemely::jwt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TestKey& ec_key() {
  static const TestKey key(Algorithm::es256);
  return key;
}
const TestKey& ed_key() {
  static const TestKey key(Algorithm::eddsa);
  return key;
}

std::string fault(std::string_view text) {
  const auto set = KeySet::parse(text);
  return set ? "none" : set.error();
}

/// Why the one key of the set is left out.
std::string skipped(const std::string& jwk) {
  const auto set = KeySet::parse(jwks_of(jwk));
  if (!set) return set.error();
  EXPECT_LE(set->skipped().size(), 1U);
  return set->skipped().empty() ? "used" : set->skipped().front();
}

std::string ec_with(const std::string& more) { return R"({"kid":"k",)" + more + ec_key().public_members() + "}"; }

TEST(KeySet, FindsKeysByNameAndAlgorithm) {
  const auto set = KeySet::parse(jwks_of(ec_key().jwk("one") + "," + ed_key().jwk("two")));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->size(), 2U);
  EXPECT_THAT(set->skipped(), IsEmpty());
  ASSERT_TRUE(set->find("one", Algorithm::es256));
  EXPECT_FALSE(set->find("one", Algorithm::eddsa)) << "a key of one kind is none for another algorithm";
  EXPECT_FALSE(set->find("one", Algorithm::hs256));
  EXPECT_FALSE(set->find("One", Algorithm::es256));
  EXPECT_FALSE(set->find("", Algorithm::es256));
  EXPECT_TRUE(set->has_kid("one"));
  EXPECT_FALSE(set->has_kid("three"));
  EXPECT_TRUE(set->holds("one", set->find("one", Algorithm::es256)->digest()));
  EXPECT_FALSE(set->holds("two", set->find("one", Algorithm::es256)->digest()));
}

TEST(KeySet, MayBeEmpty) {
  EXPECT_EQ(KeySet::parse(R"({"keys":[]})")->size(), 0U);
  EXPECT_EQ(KeySet::parse(R"({"more":{},"keys":[]})")->size(), 0U);
}

TEST(KeySet, RefusesWhatIsNoJwks) {
  for (std::string_view text : {"", "[]", "null", "<html>", R"({"keys":)"}) EXPECT_NE(fault(text), "none") << text;
  for (std::string_view text : {"{}", R"({"keys":null})", R"({"keys":{}})", R"({"KEYS":[]})"})
    EXPECT_EQ(fault(text), "the JWKS has no array named keys");
  EXPECT_THAT(fault(R"({"keys":[],"keys":[]})"), HasSubstr("twice"));
  EXPECT_THAT(fault(jwks_of(R"({"kid":"a","kid":"b"})")), HasSubstr("twice"));
}

TEST(KeySet, LeavesOutWhatItCannotUse) {
  const auto set = KeySet::parse(
      jwks_of(R"({"kty":"oct","kid":"secret","k":"c2VjcmV0"},)" + ec_key().jwk("good") + R"(,1,{"kty":"EC"})"));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->size(), 1U);
  EXPECT_THAT(set->skipped(),
              ElementsAre("key 1 (kid secret) is left out: it is a shared secret (kty oct), which is never taken from "
                          "a JWKS",
                          "key 3 is left out: it is not an object",
                          "key 4 is left out: it has no kid, by which tokens name their key"));
}

TEST(KeySet, RespectsWhatAKeyIsFor) {
  for (const char* more : {"", R"("use":"sig",)", R"("key_ops":["verify"],)", R"("key_ops":["sign","verify"],)",
                           R"("alg":"ES256",)", R"("use":"sig","key_ops":["verify"],"alg":"ES256","x5c":["…"],)"})
    EXPECT_EQ(skipped(ec_with(more)), "used") << more;
  for (const char* more : {R"("use":"enc",)", R"("use":null,)", R"("use":["sig"],)"})
    EXPECT_THAT(skipped(ec_with(more)), HasSubstr("its use is not sig")) << more;
  for (const char* more : {R"("key_ops":[],)", R"("key_ops":["encrypt"],)", R"("key_ops":"verify",)"})
    EXPECT_THAT(skipped(ec_with(more)), HasSubstr("key_ops")) << more;
  for (const char* more : {R"("alg":"RS256",)", R"("alg":"HS256",)", R"("alg":"ES384",)", R"("alg":null,)"})
    EXPECT_THAT(skipped(ec_with(more)), HasSubstr("its alg is not ES256")) << more;
}

TEST(KeySet, TakesTheFirstOfTwoKeysUnderOneName) {
  const TestKey other(Algorithm::es256);
  const auto set = KeySet::parse(jwks_of(ec_key().jwk("k") + "," + other.jwk("k") + "," + ed_key().jwk("k")));
  ASSERT_TRUE(set);
  EXPECT_EQ(set->size(), 2U) << "of another kind it is another key (RFC 7517 section 4.5)";
  EXPECT_THAT(set->skipped(), ElementsAre(HasSubstr("an earlier key has the same kid and kty")));
  EXPECT_TRUE(set->find("k", Algorithm::es256)->verifies("text", ec_key().sign("text")));
}

TEST(KeySet, IsBounded) {
  std::string many;
  for (std::size_t i = 0; i < kKeysMax; ++i) many += (i == 0 ? "" : ",") + ed_key().jwk(std::to_string(i));
  EXPECT_EQ(KeySet::parse(jwks_of(many))->size(), kKeysMax);
  EXPECT_EQ(fault(jwks_of(many + ",1")), "the JWKS has 101 keys; at most 100 are allowed");
  EXPECT_THAT(skipped(ed_key().jwk(std::string(kKidBytesMax + 1, 'k'))), HasSubstr("longer than 256 bytes"));
  EXPECT_EQ(skipped(ed_key().jwk(std::string(kKidBytesMax, 'k'))), "used");
}

TEST(KeySet, ShowsOnlyHarmlessNamesInItsSentences) {
  EXPECT_EQ(skipped(R"({"kid":"a\u001b[31m","kty":"oct"})").substr(0, 5 + 17), "key 1 is left out: it ");
  EXPECT_EQ(skipped(R"({"kid":"a\u001b[31m","kty":"oct"})").find('\x1b'), std::string::npos);
}

TEST(KeySet, TellsWhetherItsKeysAreTheSame) {
  const auto one = KeySet::parse(jwks_of(ec_key().jwk("a") + "," + ed_key().jwk("b"))).value();
  const auto same = KeySet::parse(jwks_of(ed_key().jwk("b") + "," + ec_key().jwk("a"))).value();
  const auto renamed = KeySet::parse(jwks_of(ec_key().jwk("a") + "," + ed_key().jwk("c"))).value();
  const auto fewer = KeySet::parse(jwks_of(ec_key().jwk("a"))).value();
  EXPECT_TRUE(one.same_keys(same));
  EXPECT_FALSE(one.same_keys(renamed));
  EXPECT_FALSE(one.same_keys(fewer));
  EXPECT_FALSE(fewer.same_keys(one));
  EXPECT_TRUE(KeySet().same_keys(KeySet()));
}

}  // namespace
}  // namespace famemely::jwt
