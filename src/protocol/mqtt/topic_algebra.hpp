#pragma once

#include <string_view>

#include "protocol/mqtt/topic_filter.hpp"
#include "protocol/mqtt/topic_name.hpp"

/// Filters as sets of topics (MQTT 5 section 4.7). In all of these a filter that begins with a wildcard does not reach
/// topics that begin with `$` (section 4.7.2), and `a/#` includes `a` itself.
namespace famemely::mqtt {

/// True if a message on the topic goes to holders of the filter. The topic may come straight from a packet.
[[nodiscard]] bool matches(const TopicFilter& filter, std::string_view topic);
[[nodiscard]] inline bool matches(const TopicFilter& filter, const TopicName& topic) {
  return matches(filter, std::string_view(topic.text()));
}

/// True if every topic that `inner` matches is matched by `outer`.
[[nodiscard]] bool covers(const TopicFilter& outer, const TopicFilter& inner);

/// True if some topic is matched by both.
[[nodiscard]] bool overlaps(const TopicFilter& one, const TopicFilter& other);

}  // namespace famemely::mqtt
