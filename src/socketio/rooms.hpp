#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace famemely::socketio {

/// Who is in which room of a namespace, on one node. Members are small numbers.
class Rooms {
 public:
  using Member = std::uint32_t;

  void join(Member member, const std::string& room);
  void leave(Member member, const std::string& room);
  void leave_all(Member member);

  [[nodiscard]] std::vector<std::string> rooms_of(Member member) const;
  [[nodiscard]] bool is_in(Member member, const std::string& room) const;
  /// Those who are in any of these rooms and in none of those, each once. Without rooms: everybody who is in any.
  [[nodiscard]] std::vector<Member> select(std::span<const std::string> rooms,
                                           std::span<const std::string> except) const;
  [[nodiscard]] std::size_t room_count() const { return members_.size(); }

 private:
  std::unordered_map<std::string, std::unordered_set<Member>> members_;
  std::unordered_map<Member, std::unordered_set<std::string>> rooms_;
};

}  // namespace famemely::socketio
