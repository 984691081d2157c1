#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace famemely::engineio {

/// Numbers of 64 bits to slots: an open-addressing table (linear probing, deletion by shifting back) of 16 bytes an
/// entry, half to three quarters of which are not wasted. Keys may be consecutive or hostile: they are mixed first.
class SlotTable {
 public:
  /// Adds or replaces.
  void put(std::uint64_t key, std::uint32_t slot);
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t key) const;
  void erase(std::uint64_t key);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t slot = kEmpty;
  };
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;

  [[nodiscard]] std::size_t home(std::uint64_t key) const;
  [[nodiscard]] std::size_t after(std::size_t at) const { return (at + 1) & (entries_.size() - 1); }
  void grow();

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace famemely::engineio
