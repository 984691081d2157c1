#include "socketio/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace famemely::socketio {
namespace {

TEST(SocketIoValues, BecomeJson) {
  EXPECT_EQ(values("a\"b", std::string("c"), 1, -2L, 1.5, true, nullptr).json(), R"("a\"b","c",1,-2,1.5,true,null)");
}

TEST(SocketIoValues, HoldListsMapsAndWhatMayBeMissing) {
  const std::map<std::string, std::vector<int>> map{{"a", {1, 2}}, {"b", {}}};
  EXPECT_EQ(values(map, std::optional<int>(), std::optional<int>(3)).json(), R"({"a":[1,2],"b":[]},null,3)");
}

TEST(SocketIoValues, PassJsonThroughDigitForDigit) { EXPECT_EQ(values(Json{"[1.0,1e2]"}).json(), "[1.0,1e2]"); }

TEST(SocketIoValues, WriteNumbersThatJsonLacksAsNull) {
  EXPECT_EQ(values(std::nan(""), std::numeric_limits<double>::infinity()).json(), "null,null");
}

TEST(SocketIoValues, NumberTheirAttachments) {
  const Values made = values(Binary{"x"}, 1, std::vector<Binary>{{"y"}});
  EXPECT_EQ(made.json(), R"({"_placeholder":true,"num":0},1,[{"_placeholder":true,"num":1}])");
  EXPECT_THAT(made.attachments(), testing::ElementsAre("x", "y"));
}

TEST(SocketIoValues, AreAmbiguousIfDataLooksLikeAnAttachmentBesideOne) {
  const Json trap{R"({"_placeholder":true,"num":0})"};
  EXPECT_TRUE(values(trap).unambiguous());
  EXPECT_TRUE(values(Binary{"x"}).unambiguous());
  EXPECT_FALSE(values(trap, Binary{"x"}).unambiguous());
}

}  // namespace
}  // namespace famemely::socketio
