#pragma once

#include <string>

#include "app/config.hpp"

namespace famemely::app {

/// `--print-config`: every setting as a line of `.env`. Read back it gives the same configuration, but for secrets and
/// passwords, which are comments with `***` in place of the value.
[[nodiscard]] std::string print_config(const Config& config);

/// `--help`
[[nodiscard]] std::string help_text();

/// `docs/configuration.md`
[[nodiscard]] std::string configuration_document();

}  // namespace famemely::app
