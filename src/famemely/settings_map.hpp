#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/load_config.hpp"
#include "base/result.hpp"

namespace famemely {

/// What a program gives as values of the server's settings, checked as the server checks them. Names that are no
/// settings are faults: nobody else's can stand there. `purpose` is without flags.
[[nodiscard]] Result<app::LoadedConfig, std::string> config_of(const std::map<std::string, std::string>& settings,
                                                               app::ConfigRequest purpose);

}  // namespace famemely
