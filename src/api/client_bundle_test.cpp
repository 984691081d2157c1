#include "api/client_bundle.hpp"

#include <gtest/gtest.h>

#include <string>

namespace famemely::api {
namespace {

constexpr BundledFile kFiles[] = {
    {.name = "socket.io.min.js", .digest = "aaa", .plain = "script", .gzip = "zipped", .brotli = "pressed"},
    {.name = "socket.io.min.js.map", .digest = "bbb", .plain = "{}", .gzip = "z", .brotli = "p"}};
const ClientBundle kBundle(kFiles, true);

HttpRequest request_for(std::string target, std::string header = {}, std::string value = {}) {
  HttpRequest request{.method = "GET", .target = std::move(target), .fields = {}, .body = {}, .remote_address = {}};
  if (!header.empty()) request.fields.add(std::move(header), std::move(value));
  return request;
}

HttpResponse get(std::string header = {}, std::string value = {}) {
  return kBundle.answer(request_for("/socket.io/socket.io.min.js", std::move(header), std::move(value)));
}

TEST(ClientBundle, ClaimsTheEightFilesAndNothingElse) {
  for (const char* yes : {"/socket.io/socket.io.js", "/socket.io/socket.io.js.map", "/socket.io/socket.io.min.js",
                          "/socket.io/socket.io.esm.min.js", "/socket.io/socket.io.msgpack.min.js.map?v=1"})
    EXPECT_TRUE(ClientBundle::claims(request_for(yes))) << yes;
  for (const char* no : {"/socket.io/", "/socket.io", "/socket.io/?EIO=4", "/socket.io/socket.io.esm.js",
                         "/socket.io/../socket.io.js", "/socket.io.js", "/x/socket.io/socket.io.js"})
    EXPECT_FALSE(ClientBundle::claims(request_for(no))) << no;
}

TEST(ClientBundle, ClaimsReadingOnly) {
  HttpRequest request = request_for("/socket.io/socket.io.js");
  request.method = "HEAD";
  EXPECT_TRUE(ClientBundle::claims(request));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    request.method = method;
    EXPECT_FALSE(ClientBundle::claims(request)) << method;
  }
}

TEST(ClientBundle, SendsTheFileWithItsTypeAndTag) {
  const HttpResponse response = get();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "script");
  EXPECT_EQ(response.fields.find("Content-Type"), "application/javascript; charset=utf-8");
  EXPECT_EQ(response.fields.find("ETag"), "\"aaa\"");
  EXPECT_EQ(response.fields.find("Cache-Control"), "public, max-age=0");
  EXPECT_EQ(response.fields.find("Vary"), "Accept-Encoding");
  EXPECT_FALSE(response.fields.find("Content-Encoding"));
}

TEST(ClientBundle, SendsMapsAsJson) {
  const HttpResponse response = kBundle.answer(request_for("/socket.io/socket.io.min.js.map"));
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(response.fields.find("Content-Type"), "application/json; charset=utf-8");
}

TEST(ClientBundle, ChoosesTheFormByWhatIsAccepted) {
  const HttpResponse brotli = get("Accept-Encoding", "gzip, deflate, br");
  EXPECT_EQ(brotli.body, "pressed");
  EXPECT_EQ(brotli.fields.find("Content-Encoding"), "br");
  EXPECT_EQ(brotli.fields.find("ETag"), "\"aaa-br\"");
  const HttpResponse gzip = get("Accept-Encoding", "gzip, br;q=0");
  EXPECT_EQ(gzip.body, "zipped");
  EXPECT_EQ(gzip.fields.find("Content-Encoding"), "gzip");
  EXPECT_EQ(gzip.fields.find("ETag"), "\"aaa-gzip\"");
  EXPECT_EQ(get("Accept-Encoding", "identity").body, "script");
}

TEST(ClientBundle, Answers304ToWhoHasIt) {
  for (const char* tags : {"\"aaa\"", "W/\"aaa\"", "\"x\", \"aaa\"", "\"x\" ,\tW/\"aaa\"", "*"}) {
    const HttpResponse response = get("If-None-Match", tags);
    EXPECT_EQ(response.status, 304) << tags;
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.fields.find("ETag"), "\"aaa\"");
    EXPECT_EQ(response.fields.find("Cache-Control"), "public, max-age=0");
    EXPECT_EQ(response.fields.find("Vary"), "Accept-Encoding");
    EXPECT_FALSE(response.fields.find("Content-Type"));
  }
}

TEST(ClientBundle, SendsTheFileToWhoHasAnother) {
  for (const char* tags : {"\"bbb\"", "aaa", "\"aaa-br\"", "\"aa\"", "", ",,"})
    EXPECT_EQ(get("If-None-Match", tags).status, 200) << tags;
}

TEST(ClientBundle, SaysWhyItIsNotServed) {
  const HttpResponse unwanted = ClientBundle(kFiles, false).answer(request_for("/socket.io/socket.io.min.js"));
  EXPECT_EQ(unwanted.status, 404);
  EXPECT_NE(unwanted.body.find("SERVE_CLIENT"), std::string::npos);
  const HttpResponse absent = ClientBundle({}, true).answer(request_for("/socket.io/socket.io.min.js"));
  EXPECT_EQ(absent.status, 404);
  EXPECT_NE(absent.body.find("FAMEMELY_CLIENT_BUNDLE=OFF"), std::string::npos);
}

}  // namespace
}  // namespace famemely::api
