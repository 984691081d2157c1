#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config_sources.hpp"
#include "app/surroundings.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// What the command line says about the configuration.
struct ConfigRequest {
  /// An empty text takes the setting back to its default, whatever lower sources say.
  GivenValues flags;
  /// `--env-file`; else `.env` of the working directory, which may be absent.
  std::optional<std::string> env_file;
  /// `--config`
  std::optional<std::string> yaml_file;
  bool dev = false;
  /// The configuration is for a server, so it needs a broker.
  bool serves = true;
  /// It is for the link to the broker alone: no token is verified.
  bool link_alone = false;
  /// False: nobody signs in, and nothing is served; only what is set is looked at.
  bool verifies = true;
  /// Without `env_file`, that of the working directory counts.
  bool reads_dotenv = true;
};

struct LoadedConfig {
  Config config;
  std::vector<std::string> warnings;
};

/// YAML file < `.env` < environment < flags, then the checks. With `--dev` and no secret, the secret is left empty.
/// The fault has a line for each thing that is wrong.
[[nodiscard]] Result<LoadedConfig, std::string> load_config(const ConfigRequest& request, const Surroundings& around);

}  // namespace famemely::app
