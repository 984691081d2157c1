#pragma once

#include "app/config.hpp"
#include "app/config_sources.hpp"
#include "base/result.hpp"
#include "gateway/api_keys.hpp"
#include "io/tls_context.hpp"

namespace famemely::app {

/// The secret is one that everybody can read in a public repository.
[[nodiscard]] bool is_published_secret(std::string_view secret);

[[nodiscard]] io::TlsOptions tls_options(const Config& config);

/// What `API_KEYS_FILE` holds. The fault names the file and the line.
[[nodiscard]] Result<gateway::ApiKeys, std::string> load_api_keys(const std::string& file);

/// What no single setting can know: conflicts, what this version can't honour, and what must not be missing. `serves`:
/// the configuration is for a server, not for `token`.
void check_rules(const Config& config, const GivenValues& given, bool serves, Findings& findings);
/// The same for the link to the broker alone.
void check_link_rules(const Config& config, const GivenValues& given, Findings& findings);

}  // namespace famemely::app
