#include "protocol/engineio/sid.hpp"

#include <gtest/gtest.h>

#include <set>

#include "protocol/engineio/test_bench.hpp"

namespace famemely::engineio {
namespace {

TEST(EngineSid, IsTwentyUrlSafeCharacters) {
  SeededRandom random;
  for (int i = 0; i < 100; ++i) {
    const std::string text = Sid::make(random, 7).text();
    EXPECT_EQ(text.size(), 20U);
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
  }
}

TEST(EngineSid, CarriesItsOwnerThroughItsText) {
  SeededRandom random;
  for (int owner = 0; owner < 256; ++owner) {
    const Sid sid = Sid::make(random, static_cast<std::uint8_t>(owner));
    const auto parsed = Sid::parse(sid.text());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, sid);
    EXPECT_EQ(parsed->owner(), owner);
  }
}

TEST(EngineSid, DoesNotShowItsOwner) {
  SeededRandom random;
  std::set<char> last_letters;
  for (int i = 0; i < 200; ++i) last_letters.insert(Sid::make(random, 0).text().back());
  EXPECT_GT(last_letters.size(), 20U);
}

TEST(EngineSid, RefusesWhatIsNoSid) {
  EXPECT_FALSE(Sid::parse(""));
  EXPECT_FALSE(Sid::parse("AAAAAAAAAAAAAAAAAAA"));
  EXPECT_FALSE(Sid::parse("AAAAAAAAAAAAAAAAAAAAA"));
  EXPECT_FALSE(Sid::parse("AAAAAAAAAAAAAAAAAAA+"));
}

}  // namespace
}  // namespace famemely::engineio
