#include "protocol/mqtt/topic_name.hpp"

#include "protocol/mqtt/topic_text.hpp"

namespace famemely::mqtt {

Result<TopicName, std::string> TopicName::parse(std::string_view text) {
  if (auto fault = fault_of_topic_text(text)) return failure(*std::move(fault));
  if (text.find_first_of("+#") != std::string_view::npos) return failure(std::string("topic must not hold wildcards"));
  return TopicName(text);
}

}  // namespace famemely::mqtt
