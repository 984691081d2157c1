#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "app/config.hpp"
#include "app/reloads.hpp"
#include "base/logger.hpp"
#include "gateway/authenticator.hpp"
#include "io/file_watch.hpp"
#include "io/jwks_source.hpp"

namespace famemely::app {

/// Brings the authenticator the keys that the configuration names, and newer ones while the server runs.
///
/// It belongs to the thread that runs `loop`, and must live as long as that runs; the authenticator longer.
class KeyKeeper {
 public:
  /// Reads the API keys and fetches the JWKS, if there are such settings; waits for the JWKS for a few seconds at most.
  /// Adds to `reloads` what reads and fetches them again.
  KeyKeeper(boost::asio::io_context& loop, const Config& config, gateway::Authenticator& authenticator,
            Reloads& reloads, Logger& logger);

 private:
  /// Why not, if the file is bad: the keys stay as they are.
  std::optional<std::string> read_api_keys();

  std::string api_keys_file_;
  gateway::Authenticator& authenticator_;
  Logger& logger_;
  std::optional<io::FileWatch> watch_;
  std::unique_ptr<io::JwksSource> jwks_;
};

}  // namespace famemely::app
