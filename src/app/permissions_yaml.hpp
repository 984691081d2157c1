#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "gateway/permission_rules.hpp"

namespace famemely::app {

/// Bounds of a permissions file. What is larger is no list that anybody keeps by hand, and would make checks slow.
inline constexpr std::size_t kPermissionsFileBytesMax = 4'000'000;
inline constexpr std::size_t kPermissionRulesMax = 20'000;
inline constexpr std::size_t kPermissionTopicsMax = 100'000;  // of all rules
inline constexpr std::size_t kPermissionRolesMax = 100;       // of one rule
inline constexpr std::size_t kPermissionClaimsMax = 20;       // of one rule

struct LoadedRules {
  gateway::PermissionRules rules;
  /// Whole sentences about what is allowed but hardly meant.
  std::vector<std::string> warnings{};
};

/// The rules of a file's text, or of its section. `name` is what faults call the file: each begins with `name:line: `
/// and says what is wrong, where, and what is allowed. All faults are told, a line each, up to some.
[[nodiscard]] Result<LoadedRules, std::string> parse_permissions(std::string_view text, const std::string& name,
                                                                 bool in_section = false);

}  // namespace famemely::app
