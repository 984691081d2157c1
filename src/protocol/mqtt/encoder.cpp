#include "protocol/mqtt/encoder.hpp"

#include "protocol/mqtt/property_section.hpp"

namespace famemely::mqtt {
namespace {

std::size_t variable_size(std::size_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

/// Appends the data types of MQTT 5 section 1.5.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void u8(std::uint32_t value) { out_.push_back(static_cast<char>(static_cast<std::uint8_t>(value))); }
  void u16(std::uint32_t value) {
    u8(value >> 8);
    u8(value);
  }
  void u32(std::uint32_t value) {
    u16(value >> 16);
    u16(value);
  }
  void variable(std::size_t value) {
    for (; value >= 128; value >>= 7) u8(static_cast<std::uint32_t>(value & 0x7F) | 0x80);
    u8(static_cast<std::uint32_t>(value));
  }
  void bytes(std::string_view value) { out_.append(value); }
  void prefixed(std::string_view value) {
    u16(static_cast<std::uint32_t>(value.size()));
    bytes(value);
  }
  void id(PropertyId property) { u8(static_cast<std::uint32_t>(property)); }
  void head(PacketType type, std::uint32_t flags, std::size_t body_bytes) {
    u8(static_cast<std::uint32_t>(type) << 4 | flags);
    variable(body_bytes);
  }

 private:
  std::string& out_;
};

std::size_t size_of(std::span<const UserProperty> properties) {
  std::size_t size = 0;
  for (const auto& [name, value] : properties) size += 5 + name.size() + value.size();
  return size;
}

void write(std::span<const UserProperty> properties, Writer& writer) {
  for (const auto& [name, value] : properties) {
    writer.id(PropertyId::user_property);
    writer.prefixed(name);
    writer.prefixed(value);
  }
}

std::size_t size_of(const PublishProperties& properties) {
  std::size_t size = properties.payload_is_utf8 ? 2 : 0;
  if (properties.message_expiry_s) size += 5;
  if (properties.content_type) size += 3 + properties.content_type->size();
  if (properties.response_topic) size += 3 + properties.response_topic->size();
  if (properties.correlation_data) size += 3 + properties.correlation_data->size();
  return size + size_of(properties.user_properties);
}

void write(const PublishProperties& properties, Writer& writer) {
  if (properties.payload_is_utf8) {
    writer.id(PropertyId::payload_format_indicator);
    writer.u8(1);
  }
  if (properties.message_expiry_s) {
    writer.id(PropertyId::message_expiry_interval);
    writer.u32(*properties.message_expiry_s);
  }
  const auto text = [&](PropertyId id, const std::optional<std::string>& value) {
    if (!value) return;
    writer.id(id);
    writer.prefixed(*value);
  };
  text(PropertyId::content_type, properties.content_type);
  text(PropertyId::response_topic, properties.response_topic);
  text(PropertyId::correlation_data, properties.correlation_data);
  write(properties.user_properties, writer);
}

std::size_t properties_size(const PublishFields& publish) {
  return (publish.properties ? size_of(*publish.properties) : 0) + (publish.topic_alias != 0 ? 3 : 0);
}

std::size_t body_size(const PublishFields& publish, ProtocolVersion version) {
  std::size_t size = 2 + publish.topic.size() + (publish.qos > 0 ? 2 : 0) + publish.payload.size();
  if (version == ProtocolVersion::v5) {
    const std::size_t properties = properties_size(publish);
    size += variable_size(properties) + properties;
  }
  return size;
}

void write_connect_properties(const Connect& connect, Writer& writer) {
  std::string section;
  Writer properties(section);
  if (connect.session_expiry_s != 0) {
    properties.id(PropertyId::session_expiry_interval);
    properties.u32(connect.session_expiry_s);
  }
  if (connect.receive_maximum != 65'535) {
    properties.id(PropertyId::receive_maximum);
    properties.u16(connect.receive_maximum);
  }
  if (connect.maximum_packet_size != 0) {
    properties.id(PropertyId::maximum_packet_size);
    properties.u32(connect.maximum_packet_size);
  }
  if (connect.topic_alias_maximum != 0) {
    properties.id(PropertyId::topic_alias_maximum);
    properties.u16(connect.topic_alias_maximum);
  }
  if (connect.request_response_information) {
    properties.id(PropertyId::request_response_information);
    properties.u8(1);
  }
  write(connect.user_properties, properties);
  writer.variable(section.size());
  writer.bytes(section);
}

void write_will(const Will& will, ProtocolVersion version, Writer& writer) {
  if (version == ProtocolVersion::v5) {
    writer.variable(size_of(will.properties) + (will.delay_s != 0 ? 5 : 0));
    if (will.delay_s != 0) {
      writer.id(PropertyId::will_delay_interval);
      writer.u32(will.delay_s);
    }
    write(will.properties, writer);
  }
  writer.prefixed(will.topic);
  writer.prefixed(will.payload);
}

}  // namespace

void encode_connect(const Connect& connect, std::string& out) {
  // Version 3.1.1 knows no password without a user name (section 3.1.2.9).
  const bool username = connect.username || (connect.password && connect.version == ProtocolVersion::v3_1_1);
  std::uint32_t flags = connect.clean_start ? 0x02 : 0;
  if (username) flags |= 0x80;
  if (connect.password) flags |= 0x40;
  if (connect.will)
    flags |= 0x04U | static_cast<std::uint32_t>(connect.will->qos) << 3 | (connect.will->retain ? 0x20U : 0U);
  std::string body;
  Writer writer(body);
  writer.prefixed("MQTT");
  writer.u8(static_cast<std::uint32_t>(connect.version));
  writer.u8(flags);
  writer.u16(connect.keepalive_s);
  if (connect.version == ProtocolVersion::v5) write_connect_properties(connect, writer);
  writer.prefixed(connect.client_id);
  if (connect.will) write_will(*connect.will, connect.version, writer);
  if (username) writer.prefixed(connect.username.value_or(std::string_view()));
  if (connect.password) writer.prefixed(*connect.password);
  Writer packet(out);
  packet.head(PacketType::connect, 0, body.size());
  packet.bytes(body);
}

std::size_t encoded_size(const PublishFields& publish, ProtocolVersion version) {
  const std::size_t body = body_size(publish, version);
  return 1 + variable_size(body) + body;
}

void encode_publish(const PublishFields& publish, ProtocolVersion version, std::string& out) {
  Writer writer(out);
  const std::uint32_t flags =
      (publish.dup ? 0x8U : 0U) | static_cast<std::uint32_t>(publish.qos) << 1 | (publish.retain ? 0x1U : 0U);
  writer.head(PacketType::publish, flags, body_size(publish, version));
  writer.prefixed(publish.topic);
  if (publish.qos > 0) writer.u16(publish.packet_id);
  if (version == ProtocolVersion::v5) {
    writer.variable(properties_size(publish));
    if (publish.topic_alias != 0) {
      writer.id(PropertyId::topic_alias);
      writer.u16(publish.topic_alias);
    }
    if (publish.properties) write(*publish.properties, writer);
  }
  writer.bytes(publish.payload);
}

void encode_publish_ack(PacketType type, std::uint16_t packet_id, ReasonCode code, ProtocolVersion version,
                        std::string& out) {
  Writer writer(out);
  const bool with_code = version == ProtocolVersion::v5 && code != ReasonCode::success;
  writer.head(type, type == PacketType::pubrel ? 2 : 0, with_code ? 3 : 2);
  writer.u16(packet_id);
  if (with_code) writer.u8(static_cast<std::uint32_t>(code));
}

void encode_subscribe(std::uint16_t packet_id, std::span<const SubscribeEntry> entries,
                      std::optional<std::uint32_t> subscription_identifier,
                      std::span<const UserProperty> user_properties, ProtocolVersion version, std::string& out) {
  const std::size_t properties =
      size_of(user_properties) + (subscription_identifier ? 1 + variable_size(*subscription_identifier) : 0);
  std::size_t body = version == ProtocolVersion::v5 ? 2 + variable_size(properties) + properties : 2;
  for (const SubscribeEntry& entry : entries) body += 3 + entry.filter.text().size();
  Writer writer(out);
  writer.head(PacketType::subscribe, 2, body);
  writer.u16(packet_id);
  if (version == ProtocolVersion::v5) {
    writer.variable(properties);
    if (subscription_identifier) {
      writer.id(PropertyId::subscription_identifier);
      writer.variable(*subscription_identifier);
    }
    write(user_properties, writer);
  }
  for (const SubscribeEntry& entry : entries) {
    writer.prefixed(entry.filter.text());
    std::uint32_t options = entry.qos;
    if (version == ProtocolVersion::v5)
      options |= (entry.no_local ? 0x4U : 0U) | (entry.retain_as_published ? 0x8U : 0U) |
                 static_cast<std::uint32_t>(entry.retain_handling) << 4;
    writer.u8(options);
  }
}

void encode_unsubscribe(std::uint16_t packet_id, std::span<const TopicFilter> filters,
                        std::span<const UserProperty> user_properties, ProtocolVersion version, std::string& out) {
  const std::size_t properties = size_of(user_properties);
  std::size_t body = version == ProtocolVersion::v5 ? 2 + variable_size(properties) + properties : 2;
  for (const TopicFilter& filter : filters) body += 2 + filter.text().size();
  Writer writer(out);
  writer.head(PacketType::unsubscribe, 2, body);
  writer.u16(packet_id);
  if (version == ProtocolVersion::v5) {
    writer.variable(properties);
    write(user_properties, writer);
  }
  for (const TopicFilter& filter : filters) writer.prefixed(filter.text());
}

void encode_pingreq(std::string& out) { Writer(out).head(PacketType::pingreq, 0, 0); }

void encode_disconnect_and_end_session(std::string& out) {
  constexpr std::uint32_t kProperty = 5;
  Writer writer(out);
  writer.head(PacketType::disconnect, 0, 1 + 1 + kProperty);
  writer.u8(static_cast<std::uint32_t>(ReasonCode::success));
  writer.variable(kProperty);
  writer.id(PropertyId::session_expiry_interval);
  writer.u32(0);
}

void encode_disconnect(ReasonCode code, std::string_view reason_string, ProtocolVersion version, std::string& out) {
  Writer writer(out);
  const bool with_reason = version == ProtocolVersion::v5 && !reason_string.empty();
  const bool with_code = version == ProtocolVersion::v5 && (with_reason || code != ReasonCode::success);
  const std::size_t properties = 3 + reason_string.size();
  writer.head(PacketType::disconnect, 0,
              (with_code ? 1U : 0U) + (with_reason ? variable_size(properties) + properties : 0U));
  if (with_code) writer.u8(static_cast<std::uint32_t>(code));
  if (!with_reason) return;
  writer.variable(properties);
  writer.id(PropertyId::reason_string);
  writer.prefixed(reason_string);
}

}  // namespace famemely::mqtt
