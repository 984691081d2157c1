#pragma once

#include <string>

#include "base/json_text.hpp"
#include "base/result.hpp"
#include "protocol/mqtt/properties.hpp"

/// MQTT 5 properties as clients see and set them: `{"contentType", "responseTopic", "correlationData" (base64),
/// "messageExpiry" (seconds), "userProperties": {name: value or [values]}}`.
namespace famemely::gateway {

/// Empty if the message has none.
[[nodiscard]] std::string properties_json(const mqtt::PublishPropertiesView& properties);

/// A refusal says which member is wrong and what it must be.
[[nodiscard]] Result<mqtt::PublishProperties, std::string> read_properties(const JsonView& object);

}  // namespace famemely::gateway
