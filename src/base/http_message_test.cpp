#include "base/http_message.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(HttpRequest, SplitsTheTarget) {
  HttpRequest request;
  request.target = "/socket.io/?EIO=4&transport=polling&t=a%2Fb&plus=a+b";
  EXPECT_EQ(request.path(), "/socket.io/");
  EXPECT_EQ(request.query_parameter("EIO"), "4");
  EXPECT_EQ(request.query_parameter("t"), "a/b");
  EXPECT_EQ(request.query_parameter("plus"), "a+b");
  EXPECT_EQ(request.query_parameter("sid"), std::nullopt);
}

TEST(HttpRequest, TakesATargetInAbsoluteForm) {
  const auto path = [](std::string target) {
    HttpRequest request;
    request.target = std::move(target);
    return std::string(request.path());
  };
  EXPECT_EQ(path("http://a.example:3001/mqtt/health?x=1"), "/mqtt/health");
  EXPECT_EQ(path("HTTPS://a.example/"), "/");
  EXPECT_EQ(path("http://a.example"), "/");
  EXPECT_EQ(path("http://a.example?x=/y"), "/");
  EXPECT_EQ(path("/mqtt/unsubscribe/http://a/b"), "/mqtt/unsubscribe/http://a/b") << "a path, not a URL";
  EXPECT_EQ(path("*"), "*");
}

TEST(HttpRequest, AParameterWithoutValueIsEmpty) {
  HttpRequest request;
  request.target = "/?b64&x=1";
  EXPECT_EQ(request.query_parameter("b64"), "");
}

TEST(HttpFields, NamesIgnoreCase) {
  HttpFields fields;
  fields.add("Content-Type", "text/plain");
  EXPECT_EQ(fields.find("content-type"), "text/plain");
  EXPECT_EQ(fields.find("accept"), std::nullopt);
}

TEST(HttpLists, FindATokenAmongOthers) {
  EXPECT_TRUE(list_has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(list_has_token("upgraded", "upgrade"));
  EXPECT_FALSE(list_has_token("", "upgrade"));
}

TEST(PercentEncoding, RoundTrips) {
  EXPECT_EQ(percent_encode("a/b c+#"), "a%2Fb%20c%2B%23");
  EXPECT_EQ(percent_decode("a%2Fb%20c%2b%23"), "a/b c+#");
}

TEST(PercentEncoding, RefusesBrokenEscapes) {
  EXPECT_FALSE(percent_decode("%"));
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_FALSE(percent_decode("%zz"));
}

}  // namespace
}  // namespace famemely
