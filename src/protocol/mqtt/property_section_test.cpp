#include "protocol/mqtt/property_section.hpp"

#include <gtest/gtest.h>

#include <string>

#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;

PropertySet everything() {
  PropertySet all;
  for (std::size_t id = 1; id < kPropertyIdEnd; ++id) all.insert(static_cast<PropertyId>(id));
  return all;
}

std::string fault(std::string_view written, PropertySet allowed = everything()) {
  PropertyValues values;
  const auto found = parse_properties(bytes(written), allowed, values);
  return found ? std::string(name_of(found->code)) + ": " + found->what : "";
}

TEST(PropertySection, ReadsEveryType) {
  const std::string raw = bytes("01 01  21 0102  02 01020304  0b ff7f  1f 0003 'why'  09 0002 ff00");
  PropertyValues values;
  ASSERT_FALSE(parse_properties(raw, everything(), values));
  EXPECT_EQ(values.number(PropertyId::payload_format_indicator), 1U);
  EXPECT_EQ(values.number(PropertyId::receive_maximum), 0x102U);
  EXPECT_EQ(values.number(PropertyId::message_expiry_interval), 0x1020304U);
  EXPECT_EQ(values.number(PropertyId::subscription_identifier), 16'383U);
  EXPECT_EQ(values.text(PropertyId::reason_string), "why");
  EXPECT_EQ(values.text(PropertyId::correlation_data), bytes("ff00"));
  EXPECT_EQ(values.text(PropertyId::content_type), std::nullopt);
  EXPECT_EQ(values.number(PropertyId::topic_alias, 7), 7U);
}

TEST(PropertySection, RefusesUnknownIdentifiers) {
  for (const char* written : {"00 00", "04 00", "2b 00", "7f", "80 01 00"})
    EXPECT_EQ(fault(written), "Malformed Packet: unknown or incomplete property") << written;
}

TEST(PropertySection, RefusesPropertiesThatAreCutOff) {
  for (const char* written : {"21 01", "02 010203", "1f 0004 'why'", "26 0001 'a'", "26 0001 'a' 0002 'b'", "0b 80"})
    EXPECT_EQ(fault(written), "Malformed Packet: unknown or incomplete property") << written;
}

TEST(PropertySection, RefusesAPropertyTwice) {
  EXPECT_EQ(fault("21 0001 21 0001"), "Protocol Error: property is there twice");
  EXPECT_EQ(fault("26 0001 'a' 0001 'b' 26 0001 'a' 0001 'b'"), "");
  EXPECT_EQ(fault("0b 01 0b 02"), "");
}

TEST(PropertySection, RefusesWhatThePacketMayNotHave) {
  EXPECT_EQ(fault("21 0001", {PropertyId::reason_string}), "Protocol Error: property is not allowed in this packet");
}

TEST(PropertySection, RefusesValuesOutOfRange) {
  for (const char* written : {"24 02", "25 02", "28 ff", "29 02", "2a 02"})
    EXPECT_EQ(fault(written), "Protocol Error: property value must be 0 or 1") << written;
  for (const char* written : {"21 0000", "27 00000000", "0b 00"})
    EXPECT_EQ(fault(written), "Protocol Error: property value must not be 0") << written;
  EXPECT_EQ(fault("23 0000"), "Topic Alias invalid: topic alias 0");
}

TEST(PropertySection, NotesWhatIsWrongByThePublisher) {
  PropertyValues values;
  EXPECT_FALSE(parse_properties(bytes("03 0001 ff  1f 0001 'x'"), everything(), values, {PropertyId::content_type}));
  EXPECT_STREQ(values.publishers_fault, "property is not UTF-8");
  EXPECT_TRUE(parse_properties(bytes("03 0001 ff  1f 0001 ff"), everything(), values, {PropertyId::content_type}));
  EXPECT_FALSE(parse_properties(bytes("03 0001 'x'"), everything(), values, {PropertyId::content_type}));
  EXPECT_EQ(values.publishers_fault, nullptr);
}

TEST(PropertySection, RefusesTextsThatAreNotUtf8) {
  EXPECT_EQ(fault("1f 0001 ff"), "Malformed Packet: property is not UTF-8");
  EXPECT_EQ(fault("1f 0001 00"), "Malformed Packet: property is not UTF-8");
  EXPECT_EQ(fault("26 0001 'a' 0001 c0"), "Malformed Packet: user property is not UTF-8");
}

}  // namespace
}  // namespace famemely::mqtt
