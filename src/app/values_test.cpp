#include "app/values.hpp"

#include <gtest/gtest.h>

namespace famemely::app {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsEveryUnitAndBareSeconds) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("7d"), 168h);
  EXPECT_EQ(parse_duration("30"), 30s);
  EXPECT_EQ(parse_duration("1.5h"), 90min);
  EXPECT_EQ(parse_duration("0.25"), 250ms);
  EXPECT_EQ(parse_duration("0"), 0ms);
}

TEST(Duration, RefusesAnythingElse) {
  for (std::string_view bad : {"", "s", "-1s", "+1s", "1 s", "1.s", ".5s", "1h30m", "10sec", "0.0001s", "1e3", "ten",
                               "99999999999s", "1,5s", "1.5ms", "0x10"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Duration, IsWrittenInTheLargestWholeUnit) {
  for (std::string_view text : {"0s", "1ms", "1500ms", "90s", "2m", "36h", "7d"})
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  EXPECT_EQ(format_duration(120s), "2m");
}

TEST(Size, ReadsPowersOfAThousandInAnyCase) {
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("512B"), 512U);
  EXPECT_EQ(parse_size("64KB"), 64'000U);
  EXPECT_EQ(parse_size("1mb"), 1'000'000U);
  EXPECT_EQ(parse_size("1.5GB"), 1'500'000'000U);
  EXPECT_EQ(parse_size("9999999999GB"), 9'999'999'999'000'000'000U);
}

TEST(Size, RefusesAnythingElse) {
  for (std::string_view bad : {"", "MB", "1MiB", "1M", "-1", "1 MB", "0.5", "1.0001KB", "99999999999", "1TB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Size, IsWrittenInTheLargestWholeUnit) {
  for (std::string_view text : {"0B", "1B", "1500B", "64KB", "1MB", "2GB"})
    EXPECT_EQ(format_size(*parse_size(text)), text);
}

TEST(Toggle, ReadsTheUsualWords) {
  for (std::string_view yes : {"true", "TRUE", "yes", "on", "1"}) EXPECT_EQ(parse_toggle(yes), true) << yes;
  for (std::string_view no : {"false", "No", "off", "0"}) EXPECT_EQ(parse_toggle(no), false) << no;
  for (std::string_view bad : {"", "2", "y", "tru"}) EXPECT_FALSE(parse_toggle(bad)) << bad;
}

TEST(Number, TakesDigitsAlone) {
  EXPECT_EQ(parse_number("007"), 7U);
  for (std::string_view bad : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"})
    EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(List, TrimsItemsAndLeavesEmptyOnesOut) {
  EXPECT_EQ(split_list(" a, b ,,c,"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list(" , ").empty());
  EXPECT_EQ(join_list({"a", "b"}), "a,b");
}

TEST(NearestName, FindsTheSlipOfTheFinger) {
  const std::vector<std::string> names{"MQTT_HOST", "MQTT_PORT", "MQTT_USERNAME"};
  EXPECT_EQ(nearest_name("MQTT_HOTS", names), "MQTT_HOST");
  EXPECT_EQ(nearest_name("mqtt_user_name", names), "MQTT_USERNAME");
  EXPECT_EQ(nearest_name("MQTT_PROT", names), "MQTT_PORT");
  EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace famemely::app
