#include "wire.hpp"

#include "violation.hpp"

namespace famemely::mqtt::simulator {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::string_view take(std::size_t count) {
    require(rest_.size() >= count, "wire: a packet is shorter than its fields");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::uint32_t variable() {
    std::uint32_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      require(shift < 28, "wire: variable byte integer of five bytes");
      const std::uint8_t byte = u8();
      value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  std::string text() { return std::string(take(u16())); }
  std::string rest() { return std::string(take(rest_.size())); }

 private:
  std::string_view rest_;
};

class Bytes {
 public:
  std::string out;
  Bytes& u8(std::size_t value) {
    out += static_cast<char>(static_cast<std::uint8_t>(value));
    return *this;
  }
  Bytes& u16(std::size_t value) { return u8(value >> 8).u8(value & 0xFF); }
  Bytes& u32(std::size_t value) { return u16(value >> 16).u16(value & 0xFFFF); }
  Bytes& variable(std::size_t value) {
    while (value >= 128) {
      u8((value & 0x7F) | 0x80);
      value >>= 7;
    }
    return u8(value);
  }
  Bytes& text(std::string_view value) {
    u16(value.size());
    out += value;
    return *this;
  }
};

void read_property(std::uint8_t id, Reader& reader, WirePacket& packet) {
  switch (id) {
    case 0x01:
      packet.properties.payload_is_utf8 = reader.u8() == 1;
      return;
    case 0x02:
      packet.properties.message_expiry_s = reader.u32();
      return;
    case 0x03:
      packet.properties.content_type = reader.text();
      return;
    case 0x08:
      packet.properties.response_topic = reader.text();
      return;
    case 0x09:
      packet.properties.correlation_data = reader.text();
      return;
    case 0x0B:
      packet.identifiers.push_back(reader.variable());
      return;
    case 0x11:
      packet.session_expiry_s = reader.u32();
      return;
    case 0x12:
      packet.client_id = reader.text();
      return;
    case 0x13:
      packet.keepalive_s = reader.u16();
      return;
    case 0x21:
      packet.receive_maximum = reader.u16();
      return;
    case 0x22:
      packet.alias_maximum = reader.u16();
      return;
    case 0x23:
      packet.alias = reader.u16();
      return;
    case 0x24:
      packet.maximum_qos = reader.u8();
      return;
    case 0x25:
      packet.retain_available = reader.u8() == 1;
      return;
    case 0x26: {
      std::string name = reader.text();
      packet.properties.user_properties.push_back({std::move(name), reader.text()});
      return;
    }
    case 0x27:
      packet.maximum_packet_size = reader.u32();
      return;
    case 0x28:
      packet.wildcards_available = reader.u8() == 1;
      return;
    case 0x29:
      packet.identifiers_available = reader.u8() == 1;
      return;
    default:
      throw Violation("wire: property " + std::to_string(id) + " that nobody should have written");
  }
}

void read_properties(Reader& reader, WirePacket& packet) {
  Reader section(reader.take(reader.variable()));
  while (!section.empty()) {
    const std::uint8_t id = section.u8();
    read_property(id, section, packet);
  }
}

void read_connect(Reader& body, WirePacket& packet) {
  require(body.text() == "MQTT", "wire: CONNECT without the protocol's name");
  packet.version = static_cast<ProtocolVersion>(body.u8());
  const std::uint8_t flags = body.u8();
  require((flags & 0xFD) == 0, "wire: CONNECT with flags that nobody asked for");
  packet.clean = (flags & 2) != 0;
  packet.keepalive_s = body.u16();
  if (packet.version == ProtocolVersion::v5) read_properties(body, packet);
  packet.client_id = body.text();
}

void read_body(Reader& body, std::uint8_t flags, ProtocolVersion version, WirePacket& packet) {
  const bool is_5 = version == ProtocolVersion::v5;
  switch (packet.type) {
    case PacketType::connect:
      return read_connect(body, packet);
    case PacketType::connack:
      packet.session_present = body.u8() == 1;
      packet.code = body.u8();
      if (is_5 && !body.empty()) read_properties(body, packet);
      return;
    case PacketType::publish:
      packet.dup = (flags & 8) != 0;
      packet.qos = static_cast<std::uint8_t>(flags >> 1 & 3);
      packet.retain = (flags & 1) != 0;
      packet.topic = body.text();
      if (packet.qos > 0) packet.packet_id = body.u16();
      if (is_5) read_properties(body, packet);
      packet.payload = body.rest();
      return;
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
      packet.packet_id = body.u16();
      if (is_5 && !body.empty()) packet.code = body.u8();
      return;
    case PacketType::subscribe:
    case PacketType::unsubscribe:
      packet.packet_id = body.u16();
      if (is_5) read_properties(body, packet);
      while (!body.empty()) {
        std::string filter = body.text();
        packet.filters.emplace_back(std::move(filter),
                                    packet.type == PacketType::subscribe ? body.u8() : std::uint8_t{0});
      }
      require(!packet.filters.empty(), "wire: a request without a filter");
      return;
    case PacketType::suback:
    case PacketType::unsuback:
      packet.packet_id = body.u16();
      if (is_5) read_properties(body, packet);
      packet.codes = body.rest();
      return;
    case PacketType::disconnect:
      if (is_5 && !body.empty()) packet.code = body.u8();
      return;
    case PacketType::pingreq:
    case PacketType::pingresp:
      return;
    case PacketType::auth:
      break;
  }
  throw Violation("wire: a packet of a kind that nobody should have written");
}

void append_publish_properties(const WirePacket& packet, Bytes& section) {
  const PublishProperties& properties = packet.properties;
  // Not in the order of the session's encoder, on purpose.
  for (const auto& [name, value] : properties.user_properties) section.u8(0x26).text(name).text(value);
  for (std::uint32_t identifier : packet.identifiers) section.u8(0x0B).variable(identifier);
  if (packet.alias != 0) section.u8(0x23).u16(packet.alias);
  if (properties.correlation_data) section.u8(0x09).text(*properties.correlation_data);
  if (properties.response_topic) section.u8(0x08).text(*properties.response_topic);
  if (properties.content_type) section.u8(0x03).text(*properties.content_type);
  if (properties.message_expiry_s) section.u8(0x02).u32(*properties.message_expiry_s);
  if (properties.payload_is_utf8) section.u8(0x01).u8(1);
}

void append_connack_properties(const WirePacket& packet, Bytes& section) {
  if (packet.session_expiry_s) section.u8(0x11).u32(*packet.session_expiry_s);
  if (packet.receive_maximum != 65'535) section.u8(0x21).u16(packet.receive_maximum);
  if (packet.maximum_qos != 2) section.u8(0x24).u8(packet.maximum_qos);
  if (!packet.retain_available) section.u8(0x25).u8(0);
  if (packet.maximum_packet_size) section.u8(0x27).u32(*packet.maximum_packet_size);
  if (!packet.client_id.empty()) section.u8(0x12).text(packet.client_id);
  if (packet.alias_maximum != 0) section.u8(0x22).u16(packet.alias_maximum);
  if (!packet.wildcards_available) section.u8(0x28).u8(0);
  if (!packet.identifiers_available) section.u8(0x29).u8(0);
  if (packet.keepalive_s != 0) section.u8(0x13).u16(packet.keepalive_s);
}

struct Head {
  std::size_t bytes;
  std::size_t body_bytes;
};

std::optional<Head> read_head(std::string_view stream) {
  Head head{.bytes = 1, .body_bytes = 0};
  for (unsigned shift = 0;; shift += 7) {
    require(shift < 28, "wire: Remaining Length of five bytes");
    if (head.bytes >= stream.size()) return std::nullopt;
    const auto byte = static_cast<std::uint8_t>(stream[head.bytes++]);
    head.body_bytes |= static_cast<std::size_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return head;
  }
}

const char* name_of_type(PacketType type) {
  static constexpr const char* kNames[] = {"?",       "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                           "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                           "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace

std::optional<WirePacket> take_packet(std::string& stream, ProtocolVersion version) {
  const std::optional<Head> head = read_head(stream);
  if (!head || stream.size() < head->bytes + head->body_bytes) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(stream[0]);
  WirePacket packet{.type = static_cast<PacketType>(first >> 4), .bytes = head->bytes + head->body_bytes};
  Reader body(std::string_view(stream).substr(head->bytes, head->body_bytes));
  read_body(body, first & 0x0F, version, packet);
  require(body.empty(), "wire: a packet is longer than its fields");
  stream.erase(0, packet.bytes);
  return packet;
}

std::optional<WirePacket> take_head_of_large(std::string& stream, std::size_t packet_bytes_max) {
  const std::optional<Head> head = read_head(stream);
  if (!head || head->bytes + head->body_bytes <= packet_bytes_max) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(stream[0]);
  if (static_cast<PacketType>(first >> 4) != PacketType::publish || stream.size() < head->bytes + 2)
    return std::nullopt;
  const std::size_t topic_bytes = Reader(std::string_view(stream).substr(head->bytes)).u16();
  const std::size_t wanted = head->bytes + 2 + topic_bytes + ((first & 6) != 0 ? 2 : 0);
  if (stream.size() < wanted) return std::nullopt;
  WirePacket packet{.type = PacketType::publish, .bytes = head->bytes + head->body_bytes};
  Reader body(std::string_view(stream).substr(head->bytes, wanted - head->bytes));
  read_body(body, first & 0x0F, ProtocolVersion::v3_1_1, packet);
  stream.erase(0, wanted);
  return packet;
}

std::string write_packet(const WirePacket& packet, ProtocolVersion version) {
  const bool is_5 = version == ProtocolVersion::v5;
  Bytes body;
  std::size_t flags = packet.type == PacketType::pubrel ? 2 : 0;
  switch (packet.type) {
    case PacketType::connack: {
      body.u8(packet.session_present ? 1 : 0).u8(packet.code);
      Bytes section;
      append_connack_properties(packet, section);
      if (is_5) body.variable(section.out.size()).out += section.out;
      break;
    }
    case PacketType::publish: {
      flags = (packet.dup ? 8U : 0U) | static_cast<std::size_t>(packet.qos) << 1 | (packet.retain ? 1U : 0U);
      body.text(packet.topic);
      if (packet.qos > 0) body.u16(packet.packet_id);
      Bytes section;
      append_publish_properties(packet, section);
      if (is_5) body.variable(section.out.size()).out += section.out;
      body.out += packet.payload;
      break;
    }
    case PacketType::suback:
    case PacketType::unsuback:
      body.u16(packet.packet_id);
      if (is_5) body.variable(0);
      if (is_5 || packet.type == PacketType::suback) body.out += packet.codes;
      break;
    case PacketType::disconnect:
      if (packet.code != 0) body.u8(packet.code);
      break;
    case PacketType::pingresp:
      break;
    default:
      body.u16(packet.packet_id);
      if (is_5 && packet.code != 0) body.u8(packet.code);
      break;
  }
  Bytes whole;
  whole.u8(static_cast<std::size_t>(packet.type) << 4 | flags).variable(body.out.size()).out += body.out;
  return whole.out;
}

std::string describe(const WirePacket& packet) {
  std::string text = name_of_type(packet.type);
  if (packet.packet_id != 0) text += " id " + std::to_string(packet.packet_id);
  if (packet.code != 0) text += " code " + std::to_string(packet.code);
  if (packet.type == PacketType::publish) {
    text += " qos " + std::to_string(packet.qos) + (packet.dup ? " dup" : "") + (packet.retain ? " retain" : "");
    text += " to '" + packet.topic + "'";
    if (packet.alias != 0) text += " alias " + std::to_string(packet.alias);
    text += " message " + packet.payload.substr(0, packet.payload.find(';'));
    text += " (" + std::to_string(packet.payload.size()) + " bytes)";
  }
  if (packet.type == PacketType::connect)
    text += std::string(packet.version == ProtocolVersion::v5 ? " 5" : " 3.1.1") + (packet.clean ? " clean" : "") +
            " as '" + packet.client_id + "'";
  if (packet.type == PacketType::connack && packet.session_present) text += " session present";
  for (const auto& [filter, options] : packet.filters) text += " " + filter;
  return text;
}

}  // namespace famemely::mqtt::simulator
