#include "base/json_text.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(CheckJson, AcceptsEveryKindOfValue) {
  for (std::string_view good :
       {"null", " true ", "false", "0", "-0", "12.50", "1e999", "-1E+7", "123456789012345678901234567890", "\"\"",
        "\"\\u00e9\\n\\\"\"", "[]", "[ 1 , [2] ]", "{}", "{\"a\":{\"b\":[null]}}", "\"\xC3\xA9\"", "{\"a\":1,\"a\":2}"})
    EXPECT_FALSE(check_json(good)) << good << ": " << check_json(good)->what;
}

TEST(CheckJson, RefusesWhatIsNotJson) {
  for (std::string_view bad : {"",     " ",    "nul",   "truefalse", "01",       "-",        "1.",          ".5",
                               "1e",   "+1",   "NaN",   "'a'",       "\"a",      "\"\\x\"",  "\"\\u12g4\"", "\"\n\"",
                               "[1,]", "[,1]", "[1 2]", "{\"a\"}",   "{\"a\":}", "{a:1}",    "{\"a\":1,}",  "]",
                               "}",    "[}",   "{]",    "1 2",       "[1",       "{\"a\":1", "\"\\"})
    EXPECT_TRUE(check_json(bad)) << bad;
}

TEST(CheckJson, SaysWhere) {
  EXPECT_EQ(check_json("{\"a\": 1,}"), (JsonFault{8, "unexpected character '}'"}));
  EXPECT_EQ(check_json("[1"), (JsonFault{2, "unexpected end of JSON"}));
}

TEST(CheckJson, BoundsTheNesting) {
  EXPECT_FALSE(check_json(std::string(512, '[') + std::string(512, ']')));
  EXPECT_EQ(check_json(std::string(513, '[') + std::string(513, ']'))->what, "nested over 512 deep");
}

TEST(JsonView, KeepsTheTextOfNumbers) {
  const auto view = JsonView::parse(R"( { "payload" : {"n": 12345678901234567890.10} , "qos":1 } )");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->find("payload")->raw(), R"({"n": 12345678901234567890.10})");
  EXPECT_EQ(view->find("qos")->as_integer(), 1);
  EXPECT_FALSE(view->find("topic"));
}

TEST(JsonView, ReadsScalars) {
  const auto array = JsonView::parse(R"([null,true,1.0,1.5,"a\"b",9007199254740993,1e2,"\ud83d\ude00\u00e9\ud800x"])");
  ASSERT_TRUE(array);
  const auto elements = array->elements();
  ASSERT_EQ(elements.size(), 8U);
  EXPECT_TRUE(elements[0].is_null());
  EXPECT_EQ(elements[1].as_boolean(), true);
  EXPECT_EQ(elements[2].as_integer(), 1);
  EXPECT_EQ(elements[3].as_integer(), std::nullopt);
  EXPECT_EQ(elements[3].as_number(), 1.5);
  EXPECT_EQ(elements[4].as_string(), "a\"b");
  EXPECT_EQ(elements[5].as_integer(), 9007199254740993);
  EXPECT_EQ(elements[6].as_integer(), 100);
  EXPECT_EQ(elements[7].as_string(), "\xF0\x9F\x98\x80\xC3\xA9\xEF\xBF\xBDx");
}

TEST(JsonView, FindsNamesThatAreWrittenWithEscapes) {
  const std::string text = R"({"\u0061":1,"b\nc":2,"d":{"e":3}})";
  const auto view = JsonView::parse(text);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->find("a")->raw(), "1");
  EXPECT_EQ(view->find("b\nc")->raw(), "2");
  EXPECT_FALSE(view->find("b\\nc")) << "as it is written, but not as it is meant";
  EXPECT_FALSE(view->find("\\u0061"));
  EXPECT_FALSE(view->find("e")) << "of the object within";
}

TEST(JsonView, TheLastOfEqualNamesWins) { EXPECT_EQ(JsonView::parse(R"({"a":1,"a":2})")->find("a")->raw(), "2"); }

TEST(JsonView, WalksNestedValues) {
  const auto view = JsonView::parse(R"({"a":[1,{"b":"]}"},[]],"c":"\\","d":{}})");
  ASSERT_TRUE(view);
  const auto members = view->members();
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[0].second.raw(), R"([1,{"b":"]}"},[]])");
  EXPECT_EQ(members[1].second.as_string(), "\\");
  EXPECT_EQ(members[2].second.raw(), "{}");
}

TEST(JsonString, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("a\"\\\n\x01/\xC3\xA9 long enough for words"),
            "\"a\\\"\\\\\\n\\u0001/\xC3\xA9 long enough for words\"");
}

TEST(JsonString, EveryByteSurvivesARoundTrip) {
  std::string text;
  for (char letter = 0; letter < 0x7F; ++letter) text.push_back(letter);
  const std::string quoted = json_string(text);
  const auto view = JsonView::parse(quoted);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->as_string(), text);
}

TEST(JsonView, KnowsTextThatIsNone) {
  EXPECT_TRUE(JsonView::parse(R"("a\uD800b")")->has_lone_surrogate());
  EXPECT_TRUE(JsonView::parse(R"("\uDC00\uD800")")->has_lone_surrogate());
  EXPECT_FALSE(JsonView::parse(R"("\uD83D\uDE00")")->has_lone_surrogate());
  EXPECT_FALSE(JsonView::parse("1")->has_lone_surrogate());
}

}  // namespace
}  // namespace famemely
