#pragma once

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/json_text.hpp"
#include "base/result.hpp"
#include "gateway/ports.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::api {

/// Reads a publish: the same members whether it comes as a body, in a batch, or as an event. `attachment`: the bytes
/// that the payload stands for, if it came as a Buffer over Socket.IO.
[[nodiscard]] Result<gateway::OutgoingMessage, Error> read_publish(const JsonView& object,
                                                                   std::optional<std::string_view> attachment,
                                                                   const mqtt::TopicLimits& limits);

}  // namespace famemely::api
