#include "base/decimal.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace famemely {
namespace {

Decimal decimal(std::string_view text) {
  const auto number = Decimal::parse(text);
  EXPECT_TRUE(number) << text;
  return number.value_or(Decimal());
}

TEST(Decimal, IsTheSameInWhicheverWayItIsWritten) {
  const std::vector<std::vector<std::string_view>> alike{
      {"0", "-0", "0.0", "0e5", "-0.00e-3", "000"},
      {"7", "7.0", "+7", "007", "0.7e1", "70e-1", "7E0", "7.", "0.07e+2"},
      {"-1200", "-1.2e3", "-12e2", "-1200.000"},
      {".5", "0.5", "5e-1", "50e-2"},
      {"9007199254740993", "9007199254740993.0", "9.007199254740993e15"},
      {"1e4000000000000000000", "10e3999999999999999999"},
  };
  for (const auto& row : alike)
    for (const std::string_view one : row)
      for (const std::string_view other : row) EXPECT_EQ(decimal(one), decimal(other)) << one << " " << other;
  for (std::size_t i = 0; i < alike.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(decimal(alike[i][0]), decimal(alike[j][0])) << i << " " << j;
}

TEST(Decimal, TellsApartWhatADoubleDoesNot) {
  EXPECT_NE(decimal("9007199254740993"), decimal("9007199254740992"));
  EXPECT_NE(decimal("18446744073709551616"), decimal("18446744073709551617"));
  EXPECT_NE(decimal("1e400"), decimal("1e401"));
  EXPECT_NE(decimal("1e-400"), decimal("0"));
  EXPECT_NE(decimal("7"), decimal("-7"));
  EXPECT_NE(decimal("7"), decimal("70"));
}

TEST(Decimal, IsNothingElse) {
  for (const std::string_view text : {"",
                                      "-",
                                      "+",
                                      ".",
                                      "e5",
                                      "1e",
                                      "1e+",
                                      "1e+-5",
                                      "1e--5",
                                      "1 ",
                                      " 1",
                                      "1.2.3",
                                      "--1",
                                      "0x10",
                                      "1e5.0",
                                      "inf",
                                      "nan",
                                      "1,5",
                                      "1e5000000000000000000",
                                      "1e99999999999999999999"})
    EXPECT_FALSE(Decimal::parse(text)) << text;
}

}  // namespace
}  // namespace famemely
