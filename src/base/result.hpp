#pragma once

#include <expected>
#include <utility>

namespace famemely {

/// What a peer, a user or the network can make fail is a return value.
template <typename Value, typename Fault>
using Result = std::expected<Value, Fault>;

template <typename Fault>
[[nodiscard]] auto failure(Fault&& fault) {
  return std::unexpected<std::decay_t<Fault>>(std::forward<Fault>(fault));
}

}  // namespace famemely
