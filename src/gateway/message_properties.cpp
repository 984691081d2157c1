#include "gateway/message_properties.hpp"

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/base64.hpp"

namespace famemely::gateway {
namespace {

/// Names in the order of their first appearance, each with all its values. A message may hold hundreds of thousands of
/// names, so that a search through all of them for each would stall a worker.
std::vector<std::pair<std::string_view, std::vector<std::string_view>>> grouped(
    const mqtt::UserPropertiesView& properties) {
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> groups;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const auto& [name, value] : properties) {
    const auto [place, fresh] = places.try_emplace(name, groups.size());
    if (fresh) groups.emplace_back(name, std::vector<std::string_view>{});
    groups[place->second].second.push_back(value);
  }
  return groups;
}

void append_user_properties(std::string& json, const mqtt::UserPropertiesView& properties) {
  std::string_view separator = "{";
  for (const auto& [name, values] : grouped(properties)) {
    json += separator;
    append_json_string(json, name);
    json += values.size() > 1 ? ":[" : ":";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) json += ',';
      append_json_string(json, values[i]);
    }
    if (values.size() > 1) json += ']';
    separator = ",";
  }
  json += '}';
}

/// Fills the user properties in; the refusal is empty if all is well.
std::string read_user_properties(const JsonView& object, std::vector<mqtt::UserProperty>& properties) {
  if (object.kind() != JsonKind::object) return "properties.userProperties must be an object";
  for (const auto& [name, value] : object.members()) {
    const auto values = value.kind() == JsonKind::array ? value.elements() : std::vector{value};
    for (const JsonView& each : values) {
      auto text = each.as_string();
      if (!text) return fmt::format("properties.userProperties.{} must be a string or an array of strings", name);
      properties.push_back({name, *std::move(text)});
    }
  }
  return {};
}

}  // namespace

std::string properties_json(const mqtt::PublishPropertiesView& properties) {
  std::string json;
  const auto member = [&](std::string_view name) {
    json += json.empty() ? "{" : ",";
    append_json_string(json, name);
    json += ':';
  };
  if (properties.content_type) {
    member("contentType");
    append_json_string(json, *properties.content_type);
  }
  if (properties.response_topic) {
    member("responseTopic");
    append_json_string(json, *properties.response_topic);
  }
  if (properties.correlation_data) {
    member("correlationData");
    json += '"';
    base64_append(json, *properties.correlation_data);
    json += '"';
  }
  if (properties.message_expiry_s) {
    member("messageExpiry");
    json += std::to_string(*properties.message_expiry_s);
  }
  if (!properties.user_properties.empty()) {
    member("userProperties");
    append_user_properties(json, properties.user_properties);
  }
  if (!json.empty()) json += '}';
  return json;
}

Result<mqtt::PublishProperties, std::string> read_properties(const JsonView& object) {
  mqtt::PublishProperties properties;
  for (const auto& [name, value] : object.members()) {
    if (name == "contentType" || name == "responseTopic") {
      auto text = value.as_string();
      if (!text) return failure(fmt::format("properties.{} must be a string", name));
      (name == "contentType" ? properties.content_type : properties.response_topic) = *std::move(text);
    } else if (name == "correlationData") {
      const auto text = value.as_string();
      auto bytes = text ? base64_decode(*text) : std::nullopt;
      if (!bytes) return failure(std::string("properties.correlationData must be base64"));
      properties.correlation_data = *std::move(bytes);
    } else if (name == "messageExpiry") {
      const auto seconds = value.as_integer();
      if (!seconds || *seconds < 0 || *seconds > std::numeric_limits<std::uint32_t>::max())
        return failure(std::string("properties.messageExpiry must be a number of seconds from 0 to 4294967295"));
      properties.message_expiry_s = static_cast<std::uint32_t>(*seconds);
    } else if (name == "userProperties") {
      if (std::string fault = read_user_properties(value, properties.user_properties); !fault.empty())
        return failure(std::move(fault));
    } else {
      return failure(fmt::format("property properties.{} should not exist", name));
    }
  }
  if (auto fault = mqtt::fault_of(properties)) return failure("properties: " + *std::move(fault));
  return properties;
}

}  // namespace famemely::gateway
