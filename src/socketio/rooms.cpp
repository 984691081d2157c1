#include "socketio/rooms.hpp"

#include <algorithm>

namespace famemely::socketio {

void Rooms::join(Member member, const std::string& room) {
  members_[room].insert(member);
  rooms_[member].insert(room);
}

void Rooms::leave(Member member, const std::string& room) {
  const auto members = members_.find(room);
  if (members == members_.end() || members->second.erase(member) == 0) return;
  if (members->second.empty()) members_.erase(members);
  const auto rooms = rooms_.find(member);
  rooms->second.erase(room);
  if (rooms->second.empty()) rooms_.erase(rooms);
}

void Rooms::leave_all(Member member) {
  for (const std::string& room : rooms_of(member)) leave(member, room);
}

std::vector<std::string> Rooms::rooms_of(Member member) const {
  const auto found = rooms_.find(member);
  if (found == rooms_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

bool Rooms::is_in(Member member, const std::string& room) const {
  const auto found = members_.find(room);
  return found != members_.end() && found->second.contains(member);
}

std::vector<Rooms::Member> Rooms::select(std::span<const std::string> rooms,
                                         std::span<const std::string> except) const {
  const auto excluded = [&](Member member) {
    return std::ranges::any_of(except, [&](const std::string& room) { return is_in(member, room); });
  };
  std::vector<Member> selected;
  if (rooms.empty()) {
    for (const auto& [member, of_member] : rooms_)
      if (!excluded(member)) selected.push_back(member);
    return selected;
  }
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    const auto found = members_.find(rooms[i]);
    if (found == members_.end()) continue;
    const auto seen = rooms.first(i);
    for (const Member member : found->second) {
      const bool again = std::ranges::any_of(seen, [&](const std::string& room) { return is_in(member, room); });
      if (!again && !excluded(member)) selected.push_back(member);
    }
  }
  return selected;
}

}  // namespace famemely::socketio
