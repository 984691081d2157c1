#include "protocol/socketio/packed_handshake.hpp"

#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

TEST(PackedHandshake, GivesBackWhatWasPutIn) {
  const PackedHandshake kept({"Bearer x.y.z", "https://app.example", "2001:db8::1"});
  EXPECT_EQ(kept.info().authorization, "Bearer x.y.z");
  EXPECT_EQ(kept.info().origin, "https://app.example");
  EXPECT_EQ(kept.info().remote_address, "2001:db8::1");
  EXPECT_EQ(kept.remote_address(), "2001:db8::1");
}

TEST(PackedHandshake, WhatIsEmptyStaysEmpty) {
  const PackedHandshake kept({"", "null", ""});
  EXPECT_EQ(kept.info().authorization, "");
  EXPECT_EQ(kept.info().origin, "null");
  EXPECT_EQ(kept.remote_address(), "");
  EXPECT_EQ(PackedHandshake().remote_address(), "");
}

}  // namespace
}  // namespace famemely::socketio
