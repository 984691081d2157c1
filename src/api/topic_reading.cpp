#include "api/topic_reading.hpp"

#include <string>
#include <utility>

#include "api/request_schema.hpp"

namespace famemely::api {
namespace {

template <typename Topic>
Result<Topic, Error> read(std::string_view text, const mqtt::TopicLimits& limits) {
  if (auto fault = mqtt::fault_of_topic_size(text, limits)) {
    Error error = validation_error(*std::move(fault));
    error.limit = Limit::topic;
    return failure(std::move(error));
  }
  auto topic = Topic::parse(text);
  if (!topic) return failure(validation_error(std::move(topic.error())));
  return *std::move(topic);
}

}  // namespace

Result<mqtt::TopicName, Error> read_topic(std::string_view text, const mqtt::TopicLimits& limits) {
  return read<mqtt::TopicName>(text, limits);
}

Result<mqtt::TopicFilter, Error> read_filter(std::string_view text, const mqtt::TopicLimits& limits) {
  return read<mqtt::TopicFilter>(text, limits);
}

}  // namespace famemely::api
