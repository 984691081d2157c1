#include "base/shared_bytes.hpp"

#include <gtest/gtest.h>

#include <string>

namespace famemely {
namespace {

TEST(SharedBytes, KeepsItsContentWhileAnyCopyLives) {
  SharedBytes copy;
  {
    SharedBytes original(std::string(1000, 'x'));
    copy = original;
  }
  EXPECT_EQ(copy.view(), std::string(1000, 'x'));
}

TEST(SharedBytes, EmptyContentIsNotTheSameAsNone) {
  EXPECT_TRUE(static_cast<bool>(SharedBytes("")));
  EXPECT_FALSE(static_cast<bool>(SharedBytes()));
}

}  // namespace
}  // namespace famemely
