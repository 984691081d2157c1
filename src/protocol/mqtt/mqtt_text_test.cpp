#include "protocol/mqtt/mqtt_text.hpp"

#include <gtest/gtest.h>

namespace famemely::mqtt {
namespace {

TEST(MqttText, IsUtf8WithoutNullCharacters) {
  EXPECT_TRUE(is_mqtt_text("Gr\xC3\xBC\xC3\x9F\x65"));
  EXPECT_TRUE(is_mqtt_text(""));
  EXPECT_FALSE(is_mqtt_text("\xFF"));
  EXPECT_FALSE(is_mqtt_text(std::string_view("a\0b", 3)));
}

TEST(MqttText, OfOursHasNothingThatBrokersEndTheConnectionOver) {
  EXPECT_EQ(fault_of_text("it", "Gr\xC3\xBC\xC3\x9F\x65 \xF0\x9F\x98\x80"), std::nullopt);
  EXPECT_EQ(fault_of_text("it", ""), std::nullopt);
  EXPECT_EQ(fault_of_text("it", "\xC3"), "it must be valid UTF-8");
  EXPECT_EQ(fault_of_text("it", std::string_view("\0", 1)), "it must not hold the null character");
  for (const char* text : {"line 1\nline 2", "\x1F", "\x7F", "\xC2\x80", "\xC2\x9F"})
    EXPECT_EQ(fault_of_text("it", text), "it must not hold control characters") << text;
  for (const char* text : {"\xEF\xB7\x90", "\xEF\xB7\xAF", "\xEF\xBF\xBE", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(fault_of_text("it", text), "it must not hold Unicode non-characters") << text;
}

}  // namespace
}  // namespace famemely::mqtt
