#include "base/http_error.hpp"

#include <gtest/gtest.h>

namespace famemely {
namespace {

TEST(HttpError, IsWhatNestJsAnswers) {
  const HttpResponse response = http_error(429, "Too \"many\"");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.fields.find("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(response.body, R"({"statusCode":429,"message":"Too \"many\"","error":"Too Many Requests"})");
}

TEST(HttpError, OfAnErrorHasItsStatus) {
  EXPECT_EQ(http_error(Error{ErrorCode::not_found, "Cannot GET /x"}).body,
            R"({"statusCode":404,"message":"Cannot GET /x","error":"Not Found"})");
}

TEST(HttpError, ListsDetails) {
  EXPECT_EQ(http_error(Error{ErrorCode::bad_request, "", {"qos must be 0, 1 or 2", "topic is missing"}}).body,
            R"({"statusCode":400,"message":["qos must be 0, 1 or 2","topic is missing"],"error":"Bad Request"})");
}

TEST(HttpError, IsUtf8WhateverItNames) {
  EXPECT_EQ(http_error(400, "Cannot GET /\xff").body,
            "{\"statusCode\":400,\"message\":\"Cannot GET /\xef\xbf\xbd\",\"error\":\"Bad Request\"}");
}

}  // namespace
}  // namespace famemely
