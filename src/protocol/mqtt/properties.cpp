#include "protocol/mqtt/properties.hpp"

#include "protocol/mqtt/mqtt_text.hpp"
#include "protocol/mqtt/property_section.hpp"
#include "protocol/mqtt/topic_name.hpp"

namespace famemely::mqtt {
namespace {

constexpr std::size_t kFieldBytesMax = 65'535;

std::optional<std::string> fault_of_field(std::string_view name, std::string_view text) {
  if (text.size() > kFieldBytesMax) return std::string(name) + " must not be longer than 65535 bytes";
  return fault_of_text(name, text);
}

}  // namespace

bool PublishProperties::empty() const {
  return !message_expiry_s && !content_type && !response_topic && !correlation_data && user_properties.empty() &&
         !payload_is_utf8;
}

std::optional<std::string> fault_of(const PublishProperties& properties) {
  if (properties.content_type)
    if (auto fault = fault_of_field("content type", *properties.content_type)) return fault;
  if (properties.response_topic)
    if (auto topic = TopicName::parse(*properties.response_topic); !topic) return "response " + topic.error();
  if (properties.correlation_data && properties.correlation_data->size() > kFieldBytesMax)
    return "correlation data must not be longer than 65535 bytes";
  for (const auto& [name, value] : properties.user_properties) {
    if (auto fault = fault_of_field("user property name", name)) return fault;
    if (auto fault = fault_of_field("user property value", value)) return fault;
  }
  return std::nullopt;
}

void UserPropertiesView::Iterator::advance() {
  ByteReader reader(rest_);
  while (!reader.at_end()) {
    const std::optional<Property> property = read_property(reader);
    if (!property) break;
    if (property->id != PropertyId::user_property) continue;
    current_ = {property->text, property->value};
    rest_ = reader.rest();
    return;
  }
  done_ = true;
}

void SubscriptionIdentifiersView::Iterator::advance() {
  ByteReader reader(rest_);
  while (!reader.at_end()) {
    const std::optional<Property> property = read_property(reader);
    if (!property) break;
    if (property->id != PropertyId::subscription_identifier) continue;
    current_ = property->number;
    rest_ = reader.rest();
    return;
  }
  done_ = true;
}

bool PublishPropertiesView::empty() const {
  return !message_expiry_s && !content_type && !response_topic && !correlation_data && user_properties.empty() &&
         !payload_is_utf8;
}

PublishProperties PublishPropertiesView::copy() const {
  PublishProperties copied;
  copied.message_expiry_s = message_expiry_s;
  copied.content_type = content_type;
  copied.response_topic = response_topic;
  copied.correlation_data = correlation_data;
  for (const UserPropertyView& property : user_properties)
    copied.user_properties.push_back({std::string(property.name), std::string(property.value)});
  copied.payload_is_utf8 = payload_is_utf8;
  return copied;
}

}  // namespace famemely::mqtt
