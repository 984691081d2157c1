#include "protocol/jwt/digest.hpp"

#include <gtest/gtest.h>

namespace famemely::jwt {
namespace {

TEST(Sha256, AgreesWithTheExamplesOfFips180) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(ToHex, WritesEveryBit) { EXPECT_EQ(to_hex(std::string_view("\x00\x0f\xf0\xff", 4)), "000ff0ff"); }

}  // namespace
}  // namespace famemely::jwt
