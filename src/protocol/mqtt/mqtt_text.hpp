#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace famemely::mqtt {

/// A string as MQTT has it: UTF-8 without U+0000 (section 1.5.4).
[[nodiscard]] bool is_mqtt_text(std::string_view text);

/// Why the text, which the sentence calls `name`, is not for a broker; nothing if it is. Stricter than MQTT on purpose:
/// the specification lets a broker end the connection over control characters and non-characters, and mosquitto does.
/// One client could so take the gateway's shared link down.
[[nodiscard]] std::optional<std::string> fault_of_text(std::string_view name, std::string_view text);

}  // namespace famemely::mqtt
