#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace famemely::gateway {

/// A distinct topic filter within the life of the process; counted up from 1, never used again.
using FilterId = std::uint32_t;
/// A client's place in the worker's table.
using ClientSlot = std::uint32_t;

/// One worker's members: which of its clients hold which filter, and at what quality of service. Joining, changing and
/// leaving cost the same however many members or filters there are; a message costs its recipients alone.
class SubscriptionIndex {
 public:
  /// Adds the client to the filter's members, or changes its quality of service if it is one.
  void join(FilterId filter, ClientSlot client, std::uint8_t qos);
  /// False if the client is no member.
  bool leave(FilterId filter, ClientSlot client);
  [[nodiscard]] bool has_members(FilterId filter) const { return members_.contains(filter); }
  [[nodiscard]] std::size_t member_count(FilterId filter) const;
  [[nodiscard]] bool is_member(FilterId filter, ClientSlot client) const;

  /// Calls `deliver(client, qos)` once for each client that holds any of the filters, with the highest quality of
  /// service of those it holds.
  template <typename Deliver>
  void for_each_recipient(std::span<const FilterId> filters, Deliver&& deliver) {
    if (filters.size() == 1) {
      if (const auto found = members_.find(filters.front()); found != members_.end())
        for (const Member& member : found->second.list) deliver(member.client, member.qos);
      return;
    }
    gather(filters);
    for (const Member& recipient : recipients_) deliver(recipient.client, recipient.qos);
  }

 private:
  struct Member {
    ClientSlot client;
    std::uint8_t qos;
  };
  struct Members {
    std::vector<Member> list;
    std::unordered_map<ClientSlot, std::uint32_t> places;  // kept only while the list is long
  };

  /// Below this many members a search through the list is the quickest.
  static constexpr std::size_t kSearchedMax = 32;

  static std::size_t find(const Members& members, ClientSlot client);
  void gather(std::span<const FilterId> filters);

  std::unordered_map<FilterId, Members> members_;
  // Scratch of `gather`: where in `recipients_` a client stands, valid while its mark is the current one.
  std::vector<Member> recipients_;
  std::vector<std::uint32_t> marks_;
  std::vector<std::uint32_t> places_;
  std::uint32_t mark_ = 0;
};

}  // namespace famemely::gateway
