#include "serving/listening_sockets.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace famemely::serving {
namespace {

TEST(ListeningSockets, PicksOneFreePortForAllWorkers) {
  auto sockets = ListeningSockets::open({"127.0.0.1"}, 0, 4);
  ASSERT_TRUE(sockets) << sockets.error();
  EXPECT_GT(sockets->port(), 0);
  EXPECT_EQ(sockets->addresses(), std::vector<std::string>{"127.0.0.1"});
  for (std::size_t worker = 0; worker < 4; ++worker) {
    const auto descriptors = sockets->take(worker);
    EXPECT_EQ(descriptors.size(), 1U);
    for (const int descriptor : descriptors) ::close(descriptor);
  }
}

TEST(ListeningSockets, RefusesAPortInUseAlthoughItCouldBeShared) {
  const auto first = ListeningSockets::open({"127.0.0.1"}, 0, 1);
  ASSERT_TRUE(first);
  const auto second = ListeningSockets::open({"127.0.0.1"}, first->port(), 1);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("Address already in use"), std::string::npos) << second.error();
}

TEST(ListeningSockets, NamesAHostThatDoesNotExist) {
  const auto sockets = ListeningSockets::open({"256.0.0.1"}, 0, 1);
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().find("HOST=256.0.0.1: "), 0U);
}

}  // namespace
}  // namespace famemely::serving
