#include "gateway/server_redirects.hpp"

#include <gtest/gtest.h>

#include "gateway/testing.hpp"

namespace famemely::gateway {
namespace {

using mqtt::ReasonCode;

TEST(ServerReference, IsAHostWithOrWithoutAPort) {
  EXPECT_EQ(parse_server_reference("b.example"), (ServerReference{"b.example", {}}));
  EXPECT_EQ(parse_server_reference("b.example:8883"), (ServerReference{"b.example", 8883}));
  EXPECT_EQ(parse_server_reference("10.0.0.1:1"), (ServerReference{"10.0.0.1", 1}));
  EXPECT_EQ(parse_server_reference("[fe80::1]:1884"), (ServerReference{"fe80::1", 1884}));
  EXPECT_EQ(parse_server_reference("[fe80::1]"), (ServerReference{"fe80::1", {}}));
  EXPECT_EQ(parse_server_reference("fe80::1"), (ServerReference{"fe80::1", {}}));
}

TEST(ServerReference, IsTheFirstOfSeveral) {
  EXPECT_EQ(parse_server_reference("first:1 second:2"), (ServerReference{"first", 1}));
  EXPECT_EQ(parse_server_reference("  first  second"), (ServerReference{"first", {}}));
}

TEST(ServerReference, IsNothingElse) {
  for (std::string_view bad : {"", " ", ":1", "b:", "b:0", "b:65536", "b:1x", "b:-1", "mqtt://b", "b/c", "[::1", "[b]",
                               "[::1]x", "[::1]:", "\xC3\xA4", "a@b"})
    EXPECT_EQ(parse_server_reference(bad), std::nullopt) << bad;
}

class ServerRedirectsTest : public ::testing::Test {
 protected:
  void refuse(ReasonCode code, const std::string& reference) {
    redirects_.note(code, reference, logger_);
    redirects_.on_over(false);
  }
  std::string target() const { return redirects_.target() ? redirects_.target()->host : "configured"; }

  testing::WarningLogger logger_;
  ServerRedirects redirects_;
};

TEST_F(ServerRedirectsTest, FollowBothCodesWithAReference) {
  refuse(ReasonCode::use_another_server, "other");
  EXPECT_EQ(target(), "other");
  redirects_ = {};
  refuse(ReasonCode::server_moved, "other");
  EXPECT_EQ(target(), "other");
  redirects_ = {};
  refuse(ReasonCode::use_another_server, "");
  EXPECT_EQ(target(), "configured");
  refuse(ReasonCode::not_authorized, "other");
  EXPECT_EQ(target(), "configured");
  refuse(ReasonCode::server_moved, "mqtt://other");
  EXPECT_EQ(target(), "configured");
}

TEST_F(ServerRedirectsTest, GoBackWhenTheOtherServerFails) {
  refuse(ReasonCode::server_moved, "other");
  redirects_.on_over(false);
  EXPECT_EQ(target(), "configured");
}

TEST_F(ServerRedirectsTest, FollowNoServerThatHasNotAcceptedUs) {
  refuse(ReasonCode::use_another_server, "second");
  refuse(ReasonCode::use_another_server, "third");
  EXPECT_EQ(target(), "configured");
  refuse(ReasonCode::use_another_server, "second");
  redirects_.on_accepted();
  refuse(ReasonCode::use_another_server, "third");
  EXPECT_EQ(target(), "third");
}

TEST_F(ServerRedirectsTest, RememberAMoveAndNoOtherRedirect) {
  refuse(ReasonCode::use_another_server, "other");
  redirects_.on_accepted();
  redirects_.on_over(false);
  EXPECT_EQ(target(), "configured");
  refuse(ReasonCode::server_moved, "other");
  for (int i = 0; i < 3; ++i) {
    redirects_.on_accepted();
    redirects_.on_over(false);
    EXPECT_EQ(target(), "other");
  }
  redirects_.on_over(false);
  EXPECT_EQ(target(), "configured");
}

TEST_F(ServerRedirectsTest, StayWhereTheNextAttemptIsTheSameOneAgain) {
  refuse(ReasonCode::use_another_server, "other");
  redirects_.on_over(true);
  EXPECT_EQ(target(), "other");
}

}  // namespace
}  // namespace famemely::gateway
