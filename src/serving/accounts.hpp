#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/instant.hpp"

namespace famemely::serving {

/// Accounts by name, shared by all threads. Finding one takes a lock of one in so many shards, and happens when
/// somebody comes; whoever holds an account uses it without. `Account` says by `empty(now)` that it need not be kept.
///
/// Accounts that nobody holds and that are empty are swept out as the shard grows. What is left is bounded by what else
/// there is, connections and what was asked for in the last seconds; if it came to more than that all the same,
/// newcomers share one account.
template <typename Account>
class Accounts {
 public:
  static constexpr std::size_t kShards = 64;
  static constexpr std::size_t kSweepFrom = 64;
  static constexpr std::size_t kShardMax = 16'384;

  explicit Accounts(std::size_t shard_max = kShardMax) : shard_max_(shard_max) {}

  [[nodiscard]] std::shared_ptr<Account> of(std::string_view name, Instant now) {
    Shard& shard = shards_[hash_(name) % kShards];
    const std::lock_guard lock(shard.mutex);
    if (const auto found = shard.accounts.find(name); found != shard.accounts.end()) return found->second;
    if (shard.accounts.size() >= shard.sweep_at) sweep(shard, now);
    if (shard.accounts.size() >= shard_max_) {
      if (!shard.overflow) shard.overflow = std::make_shared<Account>();
      return shard.overflow;
    }
    return shard.accounts.emplace(name, std::make_shared<Account>()).first->second;
  }

  [[nodiscard]] std::size_t size() {
    std::size_t size = 0;
    for (Shard& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      size += shard.accounts.size();
    }
    return size;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<Account>, Hash, std::equal_to<>> accounts;
    std::size_t sweep_at = kSweepFrom;
    std::shared_ptr<Account> overflow;
  };

  static void sweep(Shard& shard, Instant now) {
    // Nobody can get hold of an account meanwhile: all references come from here.
    std::erase_if(shard.accounts,
                  [&](const auto& entry) { return entry.second.use_count() == 1 && entry.second->empty(now); });
    shard.sweep_at = std::max(kSweepFrom, 2 * shard.accounts.size());
  }

  const std::size_t shard_max_;
  Hash hash_;
  std::array<Shard, kShards> shards_;
};

}  // namespace famemely::serving
