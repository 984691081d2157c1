#pragma once

#include <string_view>

namespace famemely::app {

/// The project's version, as CMakeLists.txt has it.
inline constexpr std::string_view kVersion = FAMEMELY_VERSION;

}  // namespace famemely::app
