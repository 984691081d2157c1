#include "socketio/arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

Arguments made() {
  return Arguments({R"("a\nb")", "12", "1.5", "true", "null", R"({"_placeholder":true,"num":0})", "[1,2]"}, {"bytes"});
}

TEST(SocketIoArguments, AreReadAsWhatTheyAre) {
  const Arguments arguments = made();
  EXPECT_EQ(arguments.get<std::string>(0).value(), "a\nb");
  EXPECT_EQ(arguments.get<std::int64_t>(1).value(), 12);
  EXPECT_EQ(arguments.get<double>(2).value(), 1.5);
  EXPECT_TRUE(arguments.get<bool>(3).value());
  EXPECT_EQ(arguments.get<Binary>(5)->bytes, "bytes");
  EXPECT_THAT(arguments.get<std::vector<int>>(6).value(), testing::ElementsAre(1, 2));
  EXPECT_EQ(arguments.get<JsonView>(6)->raw(), "[1,2]");
}

TEST(SocketIoArguments, MayBeMissingWhereThatIsSaid) {
  const Arguments arguments = made();
  EXPECT_EQ(arguments.get<std::optional<std::string>>(4).value(), std::nullopt);
  EXPECT_EQ(arguments.get<std::optional<std::string>>(9).value(), std::nullopt);
  EXPECT_EQ(arguments.get<std::optional<int>>(1).value(), 12);
}

TEST(SocketIoArguments, ErrorsSayWhichWhatAndWhy) {
  const Arguments arguments = made();
  EXPECT_EQ(arguments.get<std::string>(1).error().text(), "argument 2: expected a string, got the number 12");
  EXPECT_EQ(arguments.get<std::string>(9).error().text(), "argument 10: expected a string, got nothing");
  EXPECT_EQ(arguments.get<std::string>(5).error().text(), "argument 6: expected a string, got binary data");
  EXPECT_EQ(arguments.get<bool>(0).error().text(), R"(argument 1: expected true or false, got the string "a\nb")");
  EXPECT_EQ(arguments.get<std::optional<bool>>(6).error().text(),
            "argument 7: expected true or false, null or nothing, got an array");
}

TEST(SocketIoArguments, IntegersMustFit) {
  const Arguments arguments({"300", "1.5", "-1", "2.0"}, {});
  EXPECT_EQ(arguments.get<std::uint8_t>(0).error().text(),
            "argument 1: expected a whole number from 0 to 255, got the number 300");
  EXPECT_FALSE(arguments.get<int>(1));
  EXPECT_FALSE(arguments.get<std::uint32_t>(2));
  EXPECT_EQ(arguments.get<int>(3).value(), 2);
}

TEST(SocketIoArguments, LongTextsAreNotRepeatedInErrors) {
  const Arguments arguments({"\"" + std::string(1000, 'x') + "\""}, {});
  EXPECT_EQ(arguments.get<bool>(0).error().text(), "argument 1: expected true or false, got the string of 1002 bytes");
}

TEST(SocketIoArguments, OfAPlainEventHoldNoAttachments) {
  const Arguments arguments({R"({"_placeholder":true,"num":0})"}, {});
  EXPECT_FALSE(arguments.get<Binary>(0));
}

TEST(SocketIoArguments, AreSentOnAsTheyCame) {
  const Values values = Arguments({"1.0", R"({"_placeholder":true,"num":0})"}, {"x"}).pass_on();
  EXPECT_EQ(values.json(), R"(1.0,{"_placeholder":true,"num":0})");
  EXPECT_THAT(values.attachments(), testing::ElementsAre("x"));
  EXPECT_TRUE(values.unambiguous());
}

}  // namespace
}  // namespace famemely::socketio
