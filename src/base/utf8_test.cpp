#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(Utf8, AcceptsEveryLengthOfSequence) { EXPECT_TRUE(is_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")); }

TEST(Utf8, RefusesMalformedSequences) {
  for (std::string_view bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                               "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF", "abcdefgh\xC3"})
    EXPECT_FALSE(is_utf8(bad)) << testing::PrintToString(std::string(bad));
}

TEST(Utf8, ValidatesAcrossPieces) {
  const std::string_view text = "12345678\xF0\x9F\x98\x80\xC3\xA9";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Validator validator;
    EXPECT_TRUE(validator.feed(text.substr(0, cut)));
    EXPECT_TRUE(validator.feed(text.substr(cut)));
    EXPECT_TRUE(validator.complete());
  }
}

TEST(Utf8, FailsAtThePieceThatBreaksIt) {
  Utf8Validator validator;
  EXPECT_TRUE(validator.feed("\xED"));
  EXPECT_FALSE(validator.feed("\xA0"));
}

TEST(Utf8, TellsWhereItBreaks) {
  const std::string good = "abcde\xF0\x9F\x98\x80\xC3\xA4\xE2\x82\xAC";
  EXPECT_EQ(well_formed_prefix(good), good.size());
  EXPECT_EQ(well_formed_prefix(good + "\xFFz"), good.size());
  EXPECT_EQ(well_formed_prefix(good + "\xE2\x82"), good.size()) << "a character that is not whole";
  EXPECT_EQ(well_formed_prefix(""), 0U);
}

TEST(Utf8, ReplacesWhatIsNone) {
  EXPECT_EQ(as_utf8("a\xC3\xA4"), "a\xC3\xA4");
  EXPECT_EQ(as_utf8("\xFF/\xC3\xA4\xC3"), "\xEF\xBF\xBD/\xC3\xA4\xEF\xBF\xBD");
  EXPECT_EQ(as_utf8(""), "");
}

TEST(Utf8, CodePointsSurviveARoundTrip) {
  for (char32_t code_point : {U'a', U'\u00E9', U'\u20AC', U'\uFFFF', U'\U0001F600', U'\U0010FFFF'}) {
    std::string text;
    append_utf8(text, code_point);
    EXPECT_TRUE(is_utf8(text));
    std::size_t at = 0;
    EXPECT_EQ(next_code_point(text, at), code_point);
    EXPECT_EQ(at, text.size());
  }
}

}  // namespace
}  // namespace famemely
