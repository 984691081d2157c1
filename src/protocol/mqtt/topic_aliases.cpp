#include "protocol/mqtt/topic_aliases.hpp"

namespace famemely::mqtt {

void InboundTopicAliases::set(std::uint16_t alias, std::string_view topic) {
  auto& place = topics_[alias];
  if (place && *place == topic) return;
  if (place) retired_.push_back(std::move(place));
  place = std::make_unique<const std::string>(topic);
}

std::optional<std::string_view> InboundTopicAliases::find(std::uint16_t alias) const {
  const auto& place = topics_[alias];
  return place ? std::optional<std::string_view>(*place) : std::nullopt;
}

void InboundTopicAliases::clear() {
  for (auto& place : topics_)
    if (place) retired_.push_back(std::move(place));
}

void OutboundTopicAliases::start(std::uint16_t maximum) {
  aliases_.clear();
  maximum_ = maximum;
}

OutboundTopicAliases::Use OutboundTopicAliases::use(std::string_view topic) {
  if (maximum_ == 0) return {0, false};
  const auto found = aliases_.find(topic);
  if (found != aliases_.end()) return {found->second, true};
  if (aliases_.size() >= maximum_) return {0, false};
  const auto alias = static_cast<std::uint16_t>(aliases_.size() + 1);
  aliases_.emplace(topic, alias);
  return {alias, false};
}

}  // namespace famemely::mqtt
