#include "protocol/socketio/effects.hpp"

#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

TEST(SocketIoEffects, NameReasonsAsTheOfficialServerDoes) {
  EXPECT_EQ(to_string(DisconnectReason::client_namespace_disconnect), "client namespace disconnect");
  EXPECT_EQ(to_string(DisconnectReason::transport_close), "transport close");
  EXPECT_EQ(to_string(DisconnectReason::server_shutting_down), "server shutting down");
  EXPECT_EQ(to_string(Transport::polling), "polling");
}

TEST(SocketIoEffects, KeepNoSessionThatOneSideHasEnded) {
  EXPECT_FALSE(is_recoverable(DisconnectReason::client_namespace_disconnect));
  EXPECT_FALSE(is_recoverable(DisconnectReason::server_namespace_disconnect));
  EXPECT_FALSE(is_recoverable(DisconnectReason::parse_error));
  EXPECT_TRUE(is_recoverable(DisconnectReason::ping_timeout));
  EXPECT_TRUE(is_recoverable(DisconnectReason::slow_consumer));
}

}  // namespace
}  // namespace famemely::socketio
