#include "api/publish_request.hpp"

#include <fmt/format.h>

#include <string>
#include <tuple>

#include "api/request_schema.hpp"
#include "api/topic_reading.hpp"
#include "base/base64.hpp"
#include "gateway/message_properties.hpp"

namespace famemely::api {
namespace {

/// The payload's bytes, and the content type that tells receivers what the bytes are where JSON does not.
struct Encoded {
  std::string bytes;
  std::string_view content_type;
};

Result<Encoded, Error> encode(const JsonView& payload, const std::optional<JsonView>& encoding,
                              std::optional<std::string_view> attachment) {
  constexpr std::string_view kText = "text/plain";
  constexpr std::string_view kBinary = "application/octet-stream";
  if (attachment) {
    if (encoding) return failure(validation_error("encoding must not be set for a Buffer"));
    return Encoded{std::string(*attachment), kBinary};
  }
  const std::string name = encoding ? *encoding->as_string() : "json";
  if (name == "json") return Encoded{std::string(payload.raw()), {}};
  auto text = payload.as_string();
  if (!text) return failure(validation_error(fmt::format("payload must be a string with encoding {}", name)));
  if (name == "text") return Encoded{*std::move(text), kText};
  auto bytes = base64_decode(*text);
  if (!bytes) return failure(validation_error("payload must be base64 with encoding base64"));
  return Encoded{*std::move(bytes), kBinary};
}

}  // namespace

Result<gateway::OutgoingMessage, Error> read_publish(const JsonView& object, std::optional<std::string_view> attachment,
                                                     const mqtt::TopicLimits& limits) {
  const auto members = check_members(object, kPublishMembers);
  if (!members) return failure(members.error());
  const auto& [topic, payload, qos, retain, encoding, properties] =
      std::tie((*members)[0], (*members)[1], (*members)[2], (*members)[3], (*members)[4], (*members)[5]);
  auto name = read_topic(*topic->as_string(), limits);
  if (!name) return failure(std::move(name.error()));
  auto encoded = encode(*payload, encoding, attachment);
  if (!encoded) return failure(encoded.error());

  gateway::OutgoingMessage message{.topic = *std::move(name), .payload = std::move(encoded->bytes), .properties = {}};
  message.qos = static_cast<std::uint8_t>(qos ? *qos->as_integer() : 0);
  message.retain = retain && *retain->as_boolean();
  if (properties) {
    auto asked = gateway::read_properties(*properties);
    if (!asked) return failure(validation_error(std::move(asked.error())));
    message.properties = *std::move(asked);
    message.properties_asked = !message.properties.empty();
    if (message.properties.response_topic)
      if (auto answer_topic = read_topic(*message.properties.response_topic, limits); !answer_topic) {
        answer_topic.error().details.front().insert(0, "response ");
        return failure(std::move(answer_topic.error()));
      }
  }
  if (!encoded->content_type.empty() && !message.properties.content_type)
    message.properties.content_type = std::string(encoded->content_type);
  return message;
}

}  // namespace famemely::api
