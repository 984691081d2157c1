#include "api/rest_route.hpp"

#include <gtest/gtest.h>

namespace famemely::api {
namespace {

std::optional<Operation> operation(std::string_view method, std::string_view path) {
  const auto match = find_route(method, path);
  return match ? std::optional(match->route->operation) : std::nullopt;
}

TEST(RestRoute, IsFoundByMethodAndPath) {
  EXPECT_EQ(operation("POST", "/mqtt/publish"), Operation::publish);
  EXPECT_EQ(operation("POST", "/mqtt/publish/batch"), Operation::publish_batch);
  EXPECT_EQ(operation("GET", "/mqtt/publish"), std::nullopt);
  EXPECT_EQ(operation("GET", "/mqtt/nothing"), std::nullopt);
}

TEST(RestRoute, HeadGoesWhereGetDoes) {
  EXPECT_EQ(operation("HEAD", "/mqtt/health"), Operation::health);
  EXPECT_EQ(operation("HEAD", "/mqtt/publish"), std::nullopt);
}

TEST(RestRoute, ALastSlashDoesNotCount) {
  EXPECT_EQ(operation("GET", "/mqtt/health/"), Operation::health);
  EXPECT_EQ(operation("GET", "/mqtt/health//"), std::nullopt);
}

TEST(RestRoute, TheRestOfThePathIsTheTopic) {
  EXPECT_EQ(find_route("DELETE", "/mqtt/unsubscribe/a/b/%23")->topic, "a/b/%23");
  EXPECT_EQ(find_route("DELETE", "/mqtt/unsubscribe//a/")->topic, "/a/");
  EXPECT_EQ(operation("DELETE", "/mqtt/unsubscribe/"), std::nullopt);
  EXPECT_EQ(operation("DELETE", "/mqtt/unsubscribe"), std::nullopt);
}

}  // namespace
}  // namespace famemely::api
