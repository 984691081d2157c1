#include "protocol/websocket/handshake.hpp"

#include <gtest/gtest.h>

namespace famemely::websocket {
namespace {

HttpRequest upgrade_request(std::string_view without = "") {
  HttpRequest request{"GET", "/", {}, {}, {}};
  const auto add = [&](const char* name, const char* value) {
    if (name != without) request.fields.add(name, value);
  };
  add("Connection", "keep-alive, Upgrade");
  add("Upgrade", "websocket");
  add("Sec-WebSocket-Version", "13");
  add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  return request;
}

TEST(WebSocketHandshake, ComputesTheAcceptValueOfTheRfc) {
  EXPECT_EQ(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, AcceptsAGoodRequest) {
  EXPECT_EQ(check_upgrade(upgrade_request()), std::nullopt);
  const HttpResponse response = accept_upgrade(upgrade_request());
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.fields.value_or("Sec-WebSocket-Accept", ""), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, RefusesARequestWithAFieldMissing) {
  for (const char* name : {"Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"})
    EXPECT_NE(check_upgrade(upgrade_request(name)), std::nullopt) << name;
}

TEST(WebSocketHandshake, RefusesOtherMethodsVersionsAndKeys) {
  HttpRequest request = upgrade_request();
  request.method = "POST";
  EXPECT_NE(check_upgrade(request), std::nullopt);
  request = upgrade_request("Sec-WebSocket-Version");
  request.fields.add("Sec-WebSocket-Version", "8");
  EXPECT_NE(check_upgrade(request), std::nullopt);
  request = upgrade_request("Sec-WebSocket-Key");
  request.fields.add("Sec-WebSocket-Key", "c2hvcnQ=");
  EXPECT_NE(check_upgrade(request), std::nullopt);
}

}  // namespace
}  // namespace famemely::websocket
