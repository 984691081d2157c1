#include "gateway/api_keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/jwt/digest.hpp"

namespace famemely::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& byte : bytes) byte = next_++;
  }

 private:
  std::uint8_t next_ = 0;
};

std::string fault(std::string_view text) {
  const auto keys = ApiKeys::parse(text);
  return keys ? "none" : keys.error();
}

const std::string kDigits(64, 'a');

TEST(ApiKeys, FindsAKeyByWhatItsLineHolds) {
  CountingRandom random;
  const std::string key = make_api_key(random);
  const std::string other = make_api_key(random);
  EXPECT_EQ(key.size(), 47U);
  EXPECT_TRUE(key.starts_with("fmk_"));
  EXPECT_NE(key, other);
  const std::string line = api_key_line("billing", "service_role", key);
  EXPECT_THAT(line, Not(HasSubstr(key.substr(4))));
  const auto keys = ApiKeys::parse("# keys of the shop\n\n" + line + "\r\n");
  ASSERT_TRUE(keys) << keys.error();
  ASSERT_TRUE(keys->find(key));
  EXPECT_EQ(*keys->find(key), (ApiKey{"billing", "service_role", jwt::sha256(key)}));
  EXPECT_TRUE(keys->holds(jwt::sha256(key), "billing", "service_role"));
  EXPECT_FALSE(keys->holds(jwt::sha256(key), "billing", "admin"));
  EXPECT_FALSE(keys->holds(jwt::sha256(other), "billing", "service_role"));
  for (const std::string& wrong : {other, key + "A", key.substr(0, 46), key.substr(4), std::string("fmk_"),
                                   std::string(), jwt::sha256(key), jwt::to_hex(jwt::sha256(key))})
    EXPECT_FALSE(keys->find(wrong)) << wrong;
}

TEST(ApiKeys, OfAnEmptyFileAreNone) {
  EXPECT_EQ(ApiKeys::parse("")->size(), 0U);
  EXPECT_EQ(ApiKeys::parse("\n # none\n\t\n")->size(), 0U);
}

TEST(ApiKeys, SayWhichLineIsWrong) {
  EXPECT_THAT(fault("\na b"), HasSubstr("line 2: a line is: name role sha256:"));
  EXPECT_THAT(fault("a b sha256:" + kDigits + " more"), HasSubstr("line 1: a line is"));
  EXPECT_THAT(fault("a b " + kDigits), HasSubstr("the third word is not sha256:"));
  EXPECT_THAT(fault("a b sha256:" + kDigits.substr(1)), HasSubstr("64 hex digits"));
  EXPECT_THAT(fault("a b sha256:" + kDigits.substr(1) + "g"), HasSubstr("64 hex digits"));
  EXPECT_THAT(fault("a/b c sha256:" + kDigits), HasSubstr("name and role are letters"));
  EXPECT_THAT(fault("a \xc3\xa4 sha256:" + kDigits), HasSubstr("name and role are letters"));
  EXPECT_THAT(fault(std::string(65, 'n') + " r sha256:" + kDigits), HasSubstr("at most 64"));
}

TEST(ApiKeys, RefuseNamesAndKeysThatStandTwice) {
  const std::string digits(64, 'B');
  EXPECT_EQ(fault("a r sha256:" + kDigits + "\na r sha256:" + digits), "line 2: the name a stands in an earlier line");
  EXPECT_EQ(fault("a r sha256:" + kDigits + "\nb r sha256:" + std::string(64, 'A')),
            "line 2: the key stands in an earlier line under another name");
}

TEST(ApiKeys, DoNotRepeatAKeyThatStandsInItsFile) {
  CountingRandom random;
  const std::string key = make_api_key(random);
  const std::string text = fault("billing service_role " + key);
  EXPECT_THAT(text, HasSubstr("line 1: an API key itself stands here"));
  EXPECT_THAT(text, Not(HasSubstr(key)));
}

TEST(ApiKeys, AreABoundedNumber) {
  std::string text;
  for (std::size_t i = 0; i < kApiKeysMax; ++i)
    text += "n" + std::to_string(i) + " r sha256:" + jwt::to_hex(jwt::sha256(std::to_string(i))) + "\n";
  EXPECT_EQ(ApiKeys::parse(text)->size(), kApiKeysMax);
  EXPECT_THAT(fault(text + "n r sha256:" + kDigits), HasSubstr("more than 10000 keys"));
}

}  // namespace
}  // namespace famemely::gateway
