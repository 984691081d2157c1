#pragma once

#include <vector>

#include "app/settings_table.hpp"

namespace famemely::app {

/// The rows of the table, by the sections of docs/configuration.md; who asks writes the section's name into them.
[[nodiscard]] std::vector<Setting> broker_settings();
[[nodiscard]] std::vector<Setting> gateway_settings();
[[nodiscard]] std::vector<Setting> token_settings();
[[nodiscard]] std::vector<Setting> limit_settings();
[[nodiscard]] std::vector<Setting> log_settings();

}  // namespace famemely::app
