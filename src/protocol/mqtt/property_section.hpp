#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "protocol/mqtt/byte_reader.hpp"
#include "protocol/mqtt/reason_code.hpp"

namespace famemely::mqtt {

/// MQTT 5 section 2.2.2.2.
enum class PropertyId : std::uint8_t {
  payload_format_indicator = 0x01,
  message_expiry_interval = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0B,
  session_expiry_interval = 0x11,
  assigned_client_identifier = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  will_delay_interval = 0x18,
  request_response_information = 0x19,
  response_information = 0x1A,
  server_reference = 0x1C,
  reason_string = 0x1F,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_subscription_available = 0x28,
  subscription_identifier_available = 0x29,
  shared_subscription_available = 0x2A,
};
inline constexpr std::size_t kPropertyIdEnd = 0x2B;

class PropertySet {
 public:
  constexpr PropertySet() = default;
  constexpr PropertySet(std::initializer_list<PropertyId> ids) {
    for (PropertyId id : ids) insert(id);
  }
  constexpr void insert(PropertyId id) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(id); }
  [[nodiscard]] constexpr bool contains(PropertyId id) const { return (bits_ >> static_cast<unsigned>(id) & 1) != 0; }

 private:
  std::uint64_t bits_ = 0;
};

struct Property {
  PropertyId id;
  std::uint32_t number = 0;  // of the types byte, two and four byte integer, variable byte integer
  std::string_view text{};   // of the types string and binary; the name of a user property
  std::string_view value{};  // of a user property
};

/// Takes one property; nothing if the identifier is unknown or bytes are missing.
[[nodiscard]] std::optional<Property> read_property(ByteReader& reader);

/// What a packet's properties say. Only what `present` holds has been set.
struct PropertyValues {
  PropertySet present;
  std::array<std::uint32_t, kPropertyIdEnd> numbers;
  std::array<std::string_view, kPropertyIdEnd> texts;
  const char* publishers_fault = nullptr;  // the first, if any

  [[nodiscard]] bool has(PropertyId id) const { return present.contains(id); }
  [[nodiscard]] std::uint32_t number(PropertyId id, std::uint32_t otherwise) const {
    return has(id) ? numbers[static_cast<std::size_t>(id)] : otherwise;
  }
  [[nodiscard]] std::optional<std::uint32_t> number(PropertyId id) const {
    return has(id) ? std::optional(numbers[static_cast<std::size_t>(id)]) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::string_view> text(PropertyId id) const {
    return has(id) ? std::optional(texts[static_cast<std::size_t>(id)]) : std::nullopt;
  }
};

struct PropertyFault {
  ReasonCode code;
  const char* what;
};

/// Reads a whole section (without its length) and checks all of it: known, allowed here, not twice (but for user
/// properties and a PUBLISH's subscription identifiers), values in range, texts UTF-8. What is wrong with those
/// `of_the_publisher` is no fault of the section, and noted in the values.
[[nodiscard]] std::optional<PropertyFault> parse_properties(std::string_view section, PropertySet allowed,
                                                            PropertyValues& values, PropertySet of_the_publisher = {});

}  // namespace famemely::mqtt
