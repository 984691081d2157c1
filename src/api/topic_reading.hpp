#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/result.hpp"
#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"
#include "protocol/mqtt/topic_text.hpp"

namespace famemely::api {

/// A topic as a client gives it. A refusal of one that is too large says for which limit it is.
[[nodiscard]] Result<mqtt::TopicName, Error> read_topic(std::string_view text, const mqtt::TopicLimits& limits);
[[nodiscard]] Result<mqtt::TopicFilter, Error> read_filter(std::string_view text, const mqtt::TopicLimits& limits);

}  // namespace famemely::api
