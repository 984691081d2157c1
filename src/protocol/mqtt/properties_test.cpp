#include "protocol/mqtt/properties.hpp"

#include <gtest/gtest.h>

#include "protocol/mqtt/testing.hpp"

namespace famemely::mqtt {
namespace {

using testing::bytes;

TEST(PublishProperties, AreEmptyUntilSomethingIsSet) {
  EXPECT_TRUE(PublishProperties().empty());
  EXPECT_FALSE(PublishProperties{.message_expiry_s = 0}.empty());
  EXPECT_FALSE(PublishProperties{.payload_is_utf8 = true}.empty());
}

TEST(PublishProperties, AreCheckedBeforeTheyAreSent) {
  EXPECT_EQ(fault_of(PublishProperties{.content_type = "text/plain", .response_topic = "a/b"}), std::nullopt);
  EXPECT_EQ(fault_of(PublishProperties{.content_type = "\xFF"}), "content type must be valid UTF-8");
  EXPECT_EQ(fault_of(PublishProperties{.response_topic = "a/#"}), "response topic must not hold wildcards");
  EXPECT_EQ(fault_of(PublishProperties{.correlation_data = std::string(65'536, 'x')}),
            "correlation data must not be longer than 65535 bytes");
  EXPECT_EQ(fault_of(PublishProperties{.user_properties = {{"a", std::string("\0", 1)}}}),
            "user property value must not hold the null character");
}

TEST(PublishProperties, HoldNothingThatBrokersEndTheConnectionOver) {
  EXPECT_EQ(fault_of(PublishProperties{.content_type = "a\x01"}), "content type must not hold control characters");
  EXPECT_EQ(fault_of(PublishProperties{.user_properties = {{"a", "line 1\nline 2"}}}),
            "user property value must not hold control characters");
  EXPECT_EQ(fault_of(PublishProperties{.user_properties = {{"a\xEF\xBF\xBE", ""}}}),
            "user property name must not hold Unicode non-characters");
  EXPECT_EQ(fault_of(PublishProperties{.correlation_data = std::string("\0\n\xFF", 3)}), std::nullopt);
}

TEST(UserPropertiesView, FindsThemAmongOthers) {
  const std::string section = bytes("01 01  26 0001 'a' 0001 'b'  0b 05  26 0001 'a' 0000");
  std::vector<UserPropertyView> found;
  for (const UserPropertyView& each : UserPropertiesView(section, true)) found.push_back(each);
  EXPECT_EQ(found, (std::vector<UserPropertyView>{{"a", "b"}, {"a", ""}}));
}

TEST(SubscriptionIdentifiersView, FindsThemAmongOthers) {
  const std::string section = bytes("0b 05  26 0001 'a' 0001 'b'  0b 80 01");
  std::vector<std::uint32_t> found;
  for (std::uint32_t each : SubscriptionIdentifiersView(section, true)) found.push_back(each);
  EXPECT_EQ(found, (std::vector<std::uint32_t>{5, 128}));
}

TEST(PublishPropertiesView, CopiesToValues) {
  const std::string section = bytes("26 0001 'a' 0001 'b'");
  PublishPropertiesView view;
  view.content_type = "text/plain";
  view.user_properties = {section, true};
  const PublishProperties expected{.content_type = "text/plain", .user_properties = {{"a", "b"}}};
  EXPECT_EQ(view.copy(), expected);
}

}  // namespace
}  // namespace famemely::mqtt
