#pragma once

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/json_text.hpp"
#include "base/result.hpp"
#include "gateway/ports.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::api {

/// Reads a broadcast: the members of its message as they were sent, with `"broadcast":true` and, if asked for, the time
/// added where the message has no such member of its own.
[[nodiscard]] Result<gateway::OutgoingMessage, Error> read_broadcast(const JsonView& object, WallTime now,
                                                                     const mqtt::TopicLimits& limits);

}  // namespace famemely::api
