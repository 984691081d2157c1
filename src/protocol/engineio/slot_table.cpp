#include "protocol/engineio/slot_table.hpp"

#include <utility>

namespace famemely::engineio {

std::size_t SlotTable::home(std::uint64_t key) const {
  key ^= key >> 32;
  key *= 0x9E3779B97F4A7C15ULL;
  key ^= key >> 29;
  return static_cast<std::size_t>(key) & (entries_.size() - 1);
}

void SlotTable::grow() {
  std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(entries_.empty() ? 16 : entries_.size() * 2));
  size_ = 0;
  for (const Entry& entry : old)
    if (entry.slot != kEmpty) put(entry.key, entry.slot);
}

void SlotTable::put(std::uint64_t key, std::uint32_t slot) {
  if ((size_ + 1) * 4 > entries_.size() * 3) grow();
  std::size_t at = home(key);
  while (entries_[at].slot != kEmpty && entries_[at].key != key) at = after(at);
  if (entries_[at].slot == kEmpty) ++size_;
  entries_[at] = {key, slot};
}

std::optional<std::uint32_t> SlotTable::find(std::uint64_t key) const {
  if (entries_.empty()) return std::nullopt;
  for (std::size_t at = home(key); entries_[at].slot != kEmpty; at = after(at))
    if (entries_[at].key == key) return entries_[at].slot;
  return std::nullopt;
}

void SlotTable::erase(std::uint64_t key) {
  if (entries_.empty()) return;
  std::size_t hole = home(key);
  while (entries_[hole].key != key) {
    if (entries_[hole].slot == kEmpty) return;
    hole = after(hole);
  }
  if (entries_[hole].slot == kEmpty) return;
  --size_;
  // Whatever the hole would cut off from its home moves into it.
  for (std::size_t at = after(hole); entries_[at].slot != kEmpty; at = after(at)) {
    const std::size_t from_home = (at - home(entries_[at].key)) & (entries_.size() - 1);
    const std::size_t from_hole = (at - hole) & (entries_.size() - 1);
    if (from_home < from_hole) continue;
    entries_[hole] = entries_[at];
    hole = at;
  }
  entries_[hole] = {};
}

}  // namespace famemely::engineio
