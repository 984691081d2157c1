#include "protocol/mqtt/property_section.hpp"

#include "protocol/mqtt/mqtt_text.hpp"

namespace famemely::mqtt {
namespace {

enum class ValueType : std::uint8_t { none, byte, two_bytes, four_bytes, variable, text, binary, pair };

ValueType type_of(PropertyId id) {
  switch (id) {
    case PropertyId::payload_format_indicator:
    case PropertyId::request_response_information:
    case PropertyId::maximum_qos:
    case PropertyId::retain_available:
    case PropertyId::wildcard_subscription_available:
    case PropertyId::subscription_identifier_available:
    case PropertyId::shared_subscription_available:
      return ValueType::byte;
    case PropertyId::server_keep_alive:
    case PropertyId::receive_maximum:
    case PropertyId::topic_alias_maximum:
    case PropertyId::topic_alias:
      return ValueType::two_bytes;
    case PropertyId::message_expiry_interval:
    case PropertyId::session_expiry_interval:
    case PropertyId::will_delay_interval:
    case PropertyId::maximum_packet_size:
      return ValueType::four_bytes;
    case PropertyId::subscription_identifier:
      return ValueType::variable;
    case PropertyId::content_type:
    case PropertyId::response_topic:
    case PropertyId::assigned_client_identifier:
    case PropertyId::authentication_method:
    case PropertyId::response_information:
    case PropertyId::server_reference:
    case PropertyId::reason_string:
      return ValueType::text;
    case PropertyId::correlation_data:
    case PropertyId::authentication_data:
      return ValueType::binary;
    case PropertyId::user_property:
      return ValueType::pair;
  }
  return ValueType::none;
}

std::optional<PropertyFault> fault_of_value(const Property& property) {
  switch (type_of(property.id)) {
    case ValueType::byte:
      // A publisher's: whoever reads it knows better what becomes of it.
      if (property.number > 1 && property.id != PropertyId::payload_format_indicator)
        return PropertyFault{ReasonCode::protocol_error, "property value must be 0 or 1"};
      break;
    case ValueType::text:
      if (!is_mqtt_text(property.text)) return PropertyFault{ReasonCode::malformed_packet, "property is not UTF-8"};
      break;
    case ValueType::pair:
      if (!is_mqtt_text(property.text) || !is_mqtt_text(property.value))
        return PropertyFault{ReasonCode::malformed_packet, "user property is not UTF-8"};
      break;
    case ValueType::none:
    case ValueType::two_bytes:
    case ValueType::four_bytes:
    case ValueType::variable:
    case ValueType::binary:
      break;
  }
  if (property.number != 0) return std::nullopt;
  if (property.id == PropertyId::topic_alias) return PropertyFault{ReasonCode::topic_alias_invalid, "topic alias 0"};
  if (property.id == PropertyId::receive_maximum || property.id == PropertyId::maximum_packet_size ||
      property.id == PropertyId::subscription_identifier)
    return PropertyFault{ReasonCode::protocol_error, "property value must not be 0"};
  return std::nullopt;
}

bool may_repeat(PropertyId id) { return id == PropertyId::user_property || id == PropertyId::subscription_identifier; }

}  // namespace

std::optional<Property> read_property(ByteReader& reader) {
  // Identifiers are variable byte integers whose known values all fit in one byte.
  Property property{static_cast<PropertyId>(reader.u8())};
  switch (type_of(property.id)) {
    case ValueType::none:
      return std::nullopt;
    case ValueType::byte:
      property.number = reader.u8();
      break;
    case ValueType::two_bytes:
      property.number = reader.u16();
      break;
    case ValueType::four_bytes:
      property.number = reader.u32();
      break;
    case ValueType::variable:
      property.number = reader.variable();
      break;
    case ValueType::text:
    case ValueType::binary:
      property.text = reader.prefixed();
      break;
    case ValueType::pair:
      property.text = reader.prefixed();
      property.value = reader.prefixed();
      break;
  }
  if (reader.failed()) return std::nullopt;
  return property;
}

std::optional<PropertyFault> parse_properties(std::string_view section, PropertySet allowed, PropertyValues& values,
                                              PropertySet of_the_publisher) {
  values.present = {};
  values.publishers_fault = nullptr;
  ByteReader reader(section);
  while (!reader.at_end()) {
    const std::optional<Property> property = read_property(reader);
    if (!property) return PropertyFault{ReasonCode::malformed_packet, "unknown or incomplete property"};
    if (!allowed.contains(property->id))
      return PropertyFault{ReasonCode::protocol_error, "property is not allowed in this packet"};
    auto fault = fault_of_value(*property);
    if (values.has(property->id) && !may_repeat(property->id))
      fault = PropertyFault{ReasonCode::protocol_error, "property is there twice"};
    if (fault && !of_the_publisher.contains(property->id)) return fault;
    if (fault && !values.publishers_fault) values.publishers_fault = fault->what;
    values.present.insert(property->id);
    values.numbers[static_cast<std::size_t>(property->id)] = property->number;
    values.texts[static_cast<std::size_t>(property->id)] = property->text;
  }
  return std::nullopt;
}

}  // namespace famemely::mqtt
