#include "protocol/mqtt/topic_filter.hpp"

#include "protocol/mqtt/topic_text.hpp"

namespace famemely::mqtt {
namespace {

/// MQTT 5 sections 4.7.1.2 and 4.7.1.3: a wildcard is a whole level, and `#` the last one.
const char* fault_of_wildcards(std::string_view text) {
  LevelCursor levels(text);
  while (!levels.done()) {
    const std::string_view level = levels.next();
    if (level.size() > 1 && level.find('#') != std::string_view::npos) return "topic must hold # only as a whole level";
    if (level.size() > 1 && level.find('+') != std::string_view::npos) return "topic must hold + only as a whole level";
    if (level == "#" && !levels.done()) return "topic must hold # only as its last level";
  }
  return nullptr;
}

}  // namespace

Result<TopicFilter, std::string> TopicFilter::parse(std::string_view text) {
  if (auto fault = fault_of_topic_text(text)) return failure(*std::move(fault));
  if (text == "$share" || text.starts_with("$share/"))
    return failure(std::string("topic must not be a shared subscription ($share)"));
  if (const char* fault = fault_of_wildcards(text)) return failure(std::string(fault));
  return TopicFilter(text);
}

bool TopicFilter::has_wildcard() const { return text_.find_first_of("+#") != std::string::npos; }

}  // namespace famemely::mqtt
