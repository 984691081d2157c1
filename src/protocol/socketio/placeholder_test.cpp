#include "protocol/socketio/placeholder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Index = std::optional<std::size_t>;

TEST(SocketIoPlaceholder, IsFoundAtAnyDepth) {
  EXPECT_THAT(placeholders_in(R"(["a",{"x":[{"_placeholder":true,"num":2}]},{"num":0,"_placeholder":true}])"),
              ElementsAre(Index(2), Index(0)));
}

TEST(SocketIoPlaceholder, IsFoundBehindEscapes) {
  EXPECT_THAT(placeholders_in(R"([{"\u005fplaceholder":true,"n\u0075m":3}])"), ElementsAre(Index(3)));
}

TEST(SocketIoPlaceholder, IsNothingElse) {
  for (const char* json :
       {R"(["_placeholder"])", R"([{"_placeholder":false,"num":0}])", R"([{"_placeholder":"true","num":0}])",
        R"([{"x":"_placeholder","num":0}])", R"([{"_placeholder":{"a":true},"num":0}])",
        R"([{"_placeholder":true,"_placeholder":null,"num":0}])", R"(["\\\"_placeholder\":true"])"})
    EXPECT_THAT(placeholders_in(json), IsEmpty()) << json;
}

TEST(SocketIoPlaceholder, WithoutAWholeNumberHasNoIndex) {
  for (const char* json : {R"([{"_placeholder":true}])", R"([{"_placeholder":true,"num":-1}])",
                           R"([{"_placeholder":true,"num":0.5}])", R"([{"_placeholder":true,"num":null}])",
                           R"([{"_placeholder":true,"num":[0]}])", R"([{"_placeholder":true,"num":0,"num":"x"}])"})
    EXPECT_THAT(placeholders_in(json), ElementsAre(std::nullopt)) << json;
}

TEST(SocketIoPlaceholder, IsToldForOneValue) {
  EXPECT_EQ(placeholder_of(*JsonView::parse(R"({"_placeholder":true,"num":1})")), 1U);
  EXPECT_EQ(placeholder_of(*JsonView::parse(R"({"_placeholder":1,"num":1})")), std::nullopt);
  EXPECT_EQ(placeholder_of(*JsonView::parse(R"({"a":{"_placeholder":true,"num":1}})")), std::nullopt);
  EXPECT_EQ(placeholder_of(*JsonView::parse("1")), std::nullopt);
}

}  // namespace
}  // namespace famemely::socketio
