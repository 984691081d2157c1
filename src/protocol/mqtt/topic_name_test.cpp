#include "protocol/mqtt/topic_name.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace famemely::mqtt {
namespace {

std::string refusal(std::string_view text) {
  const auto topic = TopicName::parse(text);
  return topic ? "" : topic.error();
}

TEST(TopicName, KeepsItsText) { EXPECT_EQ(TopicName::parse("a/b c/ä/")->text(), "a/b c/ä/"); }

TEST(TopicName, MayBeASingleSlash) { EXPECT_EQ(refusal("/"), ""); }

TEST(TopicName, MustNotBeEmpty) { EXPECT_EQ(refusal(""), "topic must not be empty"); }

TEST(TopicName, MayHave65535BytesAndNotOneMore) {
  EXPECT_EQ(refusal(std::string(65'535, 'a')), "");
  EXPECT_EQ(refusal(std::string(65'536, 'a')), "topic must not be longer than 65535 bytes");
}

TEST(TopicName, MustNotHoldTheNullCharacter) {
  EXPECT_EQ(refusal(std::string_view("a\0b", 3)), "topic must not hold the null character");
}

TEST(TopicName, MustNotHoldControlCharacters) {
  for (const char* text : {"\x01", "a\x1F", "\x7F", "\xC2\x80", "a/\xC2\x9F"})
    EXPECT_EQ(refusal(text), "topic must not hold control characters") << text;
  EXPECT_EQ(refusal("\xC2\xA0"), "");
  EXPECT_EQ(refusal(" ~"), "");
}

TEST(TopicName, MustNotHoldNonCharacters) {
  for (const char* text :
       {"\xEF\xB7\x90", "\xEF\xB7\xAF", "\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xF0\x9F\xBF\xBF", "\xF4\x8F\xBF\xBE"})
    EXPECT_EQ(refusal(text), "topic must not hold Unicode non-characters") << text;
  EXPECT_EQ(refusal("\xEF\xBF\xBD"), "");
}

TEST(TopicName, MustBeUtf8) {
  for (const char* text : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "a\xC3"})
    EXPECT_EQ(refusal(text), "topic must be valid UTF-8") << text;
}

TEST(TopicName, MayHave128LevelsAndNotOneMore) {
  EXPECT_EQ(refusal(std::string(127, '/')), "");
  EXPECT_EQ(refusal(std::string(128, '/')), "topic must not have more than 128 levels");
}

TEST(TopicName, MustNotHoldWildcards) {
  for (const char* text : {"+", "#", "a/+/b", "a#", "a+b"})
    EXPECT_EQ(refusal(text), "topic must not hold wildcards") << text;
}

TEST(TopicName, IsAValueThatHashes) {
  const std::unordered_set<TopicName> set{*TopicName::parse("a"), *TopicName::parse("b"), *TopicName::parse("a")};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace famemely::mqtt
