#include "gateway/subscription_index.hpp"

#include <algorithm>

namespace famemely::gateway {

std::size_t SubscriptionIndex::find(const Members& members, ClientSlot client) {
  if (members.places.empty()) {
    const auto found = std::ranges::find(members.list, client, &Member::client);
    return static_cast<std::size_t>(found - members.list.begin());
  }
  const auto found = members.places.find(client);
  return found == members.places.end() ? members.list.size() : found->second;
}

void SubscriptionIndex::join(FilterId filter, ClientSlot client, std::uint8_t qos) {
  Members& members = members_[filter];
  const std::size_t place = find(members, client);
  if (place < members.list.size()) {
    members.list[place].qos = qos;
    return;
  }
  members.list.push_back({client, qos});
  if (!members.places.empty()) {
    members.places.emplace(client, static_cast<std::uint32_t>(place));
  } else if (members.list.size() > kSearchedMax) {
    for (std::uint32_t i = 0; i < members.list.size(); ++i) members.places.emplace(members.list[i].client, i);
  }
}

bool SubscriptionIndex::leave(FilterId filter, ClientSlot client) {
  const auto found = members_.find(filter);
  if (found == members_.end()) return false;
  Members& members = found->second;
  const std::size_t place = find(members, client);
  if (place == members.list.size()) return false;
  members.list[place] = members.list.back();
  members.list.pop_back();
  if (!members.places.empty()) {
    members.places.erase(client);
    if (place < members.list.size()) members.places[members.list[place].client] = static_cast<std::uint32_t>(place);
    if (members.list.size() <= kSearchedMax / 2) members.places.clear();
  }
  if (members.list.empty()) members_.erase(found);
  return true;
}

std::size_t SubscriptionIndex::member_count(FilterId filter) const {
  const auto found = members_.find(filter);
  return found == members_.end() ? 0 : found->second.list.size();
}

bool SubscriptionIndex::is_member(FilterId filter, ClientSlot client) const {
  const auto found = members_.find(filter);
  return found != members_.end() && find(found->second, client) < found->second.list.size();
}

void SubscriptionIndex::gather(std::span<const FilterId> filters) {
  recipients_.clear();
  if (++mark_ == 0) {  // after 2^32 messages the old marks could be taken for new ones
    std::ranges::fill(marks_, 0U);
    mark_ = 1;
  }
  for (const FilterId filter : filters) {
    const auto found = members_.find(filter);
    if (found == members_.end()) continue;
    for (const Member& member : found->second.list) {
      if (member.client >= marks_.size()) {
        marks_.resize(member.client + std::size_t{1});
        places_.resize(member.client + std::size_t{1});
      }
      if (marks_[member.client] != mark_) {
        marks_[member.client] = mark_;
        places_[member.client] = static_cast<std::uint32_t>(recipients_.size());
        recipients_.push_back(member);
      } else {
        Member& recipient = recipients_[places_[member.client]];
        recipient.qos = std::max(recipient.qos, member.qos);
      }
    }
  }
}

}  // namespace famemely::gateway
