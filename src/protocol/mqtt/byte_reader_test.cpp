#include "protocol/mqtt/byte_reader.hpp"

#include <gtest/gtest.h>

#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;

TEST(ByteReader, TakesNumbersInNetworkOrder) {
  const std::string raw = bytes("01 0203 04050607");
  ByteReader reader(raw);
  EXPECT_EQ(reader.u8(), 1U);
  EXPECT_EQ(reader.u16(), 0x203U);
  EXPECT_EQ(reader.u32(), 0x4050607U);
  EXPECT_TRUE(reader.at_end());
  EXPECT_FALSE(reader.failed());
}

TEST(ByteReader, StaysFailedOnceSomethingIsMissing) {
  const std::string raw = bytes("0005 'abc'");
  ByteReader reader(raw);
  EXPECT_EQ(reader.prefixed(), "");
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.u8(), 0U);
  EXPECT_TRUE(reader.failed());
}

std::optional<std::uint32_t> variable(std::string_view written) {
  const std::string raw = bytes(written);
  ByteReader reader(raw);
  const std::uint32_t value = reader.variable();
  return reader.failed() ? std::nullopt : std::optional(value);
}

TEST(ByteReader, TakesVariableByteIntegersOfAllLengths) {
  EXPECT_EQ(variable("00"), 0U);
  EXPECT_EQ(variable("7f"), 127U);
  EXPECT_EQ(variable("80 01"), 128U);
  EXPECT_EQ(variable("ff 7f"), 16'383U);
  EXPECT_EQ(variable("80 80 01"), 16'384U);
  EXPECT_EQ(variable("ff ff ff 7f"), 268'435'455U);
}

TEST(ByteReader, RefusesVariableByteIntegersThatAreTooLong) {
  EXPECT_EQ(variable("ff ff ff ff 01"), std::nullopt);
  EXPECT_EQ(variable("80 00"), std::nullopt);
  EXPECT_EQ(variable("80"), std::nullopt);
}

}  // namespace
}  // namespace famemely::mqtt
