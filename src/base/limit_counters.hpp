#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace famemely {

/// Everything that somebody is refused, or closed, for: too much, too slow, or not allowed in. docs/limits.md says what
/// the answer is to each.
enum class Limit : std::uint8_t {
  connections,
  connections_per_user,
  connections_per_address,
  sessions_per_address,
  subscriptions_per_socket,
  subscriptions_per_user,
  publish_rate_per_user,
  request_rate_per_address,
  origin,
  malformed_request,
  request_head,
  request_body,
  message_size,
  topic,
  request_time,
  slow_body,
  idle_connection,
  slow_reader,
  slow_consumer,
  no_connect,
  tls_handshake,
  refusals_per_connection,
  ping_timeout,
  upgrade_timeout,
  json_depth,
  batch,
  token_size,
};
inline constexpr std::size_t kLimitCount = static_cast<std::size_t>(Limit::token_size) + 1;

/// As `GET /mqtt/stats` names it.
[[nodiscard]] std::string_view name_of(Limit limit);

/// How often each limit has been reached since the start, in all workers together.
class LimitCounters {
 public:
  void count(Limit limit) { counts_[static_cast<std::size_t>(limit)].fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t of(Limit limit) const {
    return counts_[static_cast<std::size_t>(limit)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kLimitCount> counts_{};
};

/// For those who may count, or may have nobody who wants to know.
inline void count(LimitCounters* counters, Limit limit) {
  if (counters) counters->count(limit);
}

}  // namespace famemely
