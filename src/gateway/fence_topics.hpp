#pragma once

#include <string>
#include <string_view>

namespace famemely::gateway {

/// Where the fences of each gateway are that can't use its topic of choice.
inline constexpr std::string_view kFallbackFences = "famemely/fence/";

/// A gateway's topics for its fences. No two client ids have one in common, and both are topics whatever a client id
/// holds: as it is where it can be, else with `%2B` for `+` and the like, or its SHA-256 in place of one that is too
/// long (docs/brokers.md).
struct FenceTopics {
  std::string own;       // `$famemely/<client id>/fence`
  std::string fallback;  // `famemely/fence/<client id>`

  [[nodiscard]] static FenceTopics of(std::string_view client_id);
  bool operator==(const FenceTopics&) const = default;
};

}  // namespace famemely::gateway
