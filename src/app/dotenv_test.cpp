#include "app/dotenv.hpp"

#include <gtest/gtest.h>

namespace famemely::app {
namespace {

std::string value_of(std::string_view line) {
  const DotenvText text = parse_dotenv(line);
  return text.entries.size() == 1 && text.entries[0].name == "KEY" ? text.entries[0].value : "not one KEY";
}

TEST(Dotenv, ReadsPlainValues) {
  EXPECT_EQ(value_of("KEY=value"), "value");
  EXPECT_EQ(value_of("  KEY = some value  \r\n"), "some value");
  EXPECT_EQ(value_of("KEY=a=b"), "a=b");
  EXPECT_EQ(value_of("export KEY=value"), "value");
  EXPECT_EQ(value_of("KEY=$HOME/${X}"), "$HOME/${X}");
  EXPECT_EQ(value_of("\xEF\xBB\xBFKEY=value"), "value");
}

TEST(Dotenv, TakesACommentForAnEmptyValue) {
  EXPECT_EQ(value_of("KEY=          # Optional"), "");
  EXPECT_EQ(value_of("KEY=#"), "");
  EXPECT_EQ(value_of("KEY="), "");
  EXPECT_EQ(value_of("KEY=value # comment"), "value");
}

TEST(Dotenv, CutsUnquotedValuesAtAHashAndRemarksIt) {
  const DotenvText text = parse_dotenv("A=pass#word\nB=pass #word\nC=\"pass#word\"");
  ASSERT_EQ(text.entries.size(), 3U);
  EXPECT_EQ(text.entries[0], (DotenvEntry{"A", "pass", 1, true, false}));
  EXPECT_EQ(text.entries[1], (DotenvEntry{"B", "pass", 2, false, false}));
  EXPECT_EQ(text.entries[2], (DotenvEntry{"C", "pass#word", 3, false, false}));
}

TEST(Dotenv, UnderstandsQuotes) {
  EXPECT_EQ(value_of("KEY=\"  a b  \" # comment"), "  a b  ");
  EXPECT_EQ(value_of("KEY='a \"b\" # c'"), "a \"b\" # c");
  EXPECT_EQ(value_of("KEY=`it's`"), "it's");
  EXPECT_EQ(value_of("KEY=\"\""), "");
  EXPECT_EQ(value_of("KEY=it's"), "it's");
}

TEST(Dotenv, UndoesLineEscapesInDoubleQuotesOnly) {
  EXPECT_EQ(value_of(R"(KEY="a\nb\rc\td")"), "a\nb\rc\\td");
  EXPECT_EQ(value_of(R"(KEY='a\nb')"), "a\\nb");
  EXPECT_EQ(value_of(R"(KEY=a\nb)"), "a\\nb");
  EXPECT_EQ(value_of(R"(KEY="say \"hi\"")"), R"(say \"hi\")");
}

TEST(Dotenv, CountsTheLinesOfQuotedValues) {
  const DotenvText text = parse_dotenv("# first\nA=\"one\ntwo\"\n\nB=x\n");
  ASSERT_EQ(text.entries.size(), 2U);
  EXPECT_EQ(text.entries[0], (DotenvEntry{"A", "one\ntwo", 2}));
  EXPECT_EQ(text.entries[1], (DotenvEntry{"B", "x", 5}));
}

TEST(Dotenv, RemarksQuotesThatDoNotClose) {
  const DotenvText text = parse_dotenv("A=\"one\nB='x' y\nC=z");
  ASSERT_EQ(text.entries.size(), 3U);
  EXPECT_EQ(text.entries[0], (DotenvEntry{"A", "\"one", 1, false, true}));
  EXPECT_EQ(text.entries[1], (DotenvEntry{"B", "'x' y", 2, false, true}));
  EXPECT_EQ(text.entries[2], (DotenvEntry{"C", "z", 3}));
}

TEST(Dotenv, NumbersTheLinesItCannotRead) {
  const DotenvText text = parse_dotenv("A=1\nMQTT_HOST broker\n=x\n$(date)\n  # fine\n\nB=2");
  EXPECT_EQ(text.strange_lines, (std::vector<std::size_t>{2, 3, 4}));
  EXPECT_EQ(text.entries.size(), 2U);
}

TEST(Dotenv, ReadsWhateverStandsAtTheEnd) {
  const std::string text = "export A=\"x\\n\" # c\r\nB='y\nz'\nC=`q`#";
  for (std::size_t size = 0; size <= text.size(); ++size)
    EXPECT_LE(parse_dotenv(text.substr(0, size)).entries.size(), 3U);
  EXPECT_TRUE(parse_dotenv("").entries.empty());
}

}  // namespace
}  // namespace famemely::app
