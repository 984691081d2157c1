#include "app/key_keeper.hpp"

#include <stdexcept>
#include <utility>

#include "app/config_rules.hpp"

namespace famemely::app {

KeyKeeper::KeyKeeper(boost::asio::io_context& loop, const Config& config, gateway::Authenticator& authenticator,
                     Reloads& reloads, Logger& logger)
    : api_keys_file_(config.api_keys_file), authenticator_(authenticator), logger_(logger) {
  if (!api_keys_file_.empty()) {
    // The watch comes first: a change while the file is read is one that it tells of.
    watch_.emplace(loop, api_keys_file_, [&reloads] { reloads.run("api keys"); });
    // The file has been read before: what is wrong with it now has gone wrong in between.
    if (const auto fault = read_api_keys()) throw std::runtime_error(*fault);
    reloads.add("api keys", [this] { return read_api_keys(); });
  }
  const std::string location = config.jwks_location();
  if (location.empty()) return;
  auto tls = io::TlsContext::make({});
  if (!tls) throw std::runtime_error(tls.error());
  jwks_ = std::make_unique<io::JwksSource>(loop, io::JwksLocation::parse(location).value(), config.jwks_max_stale,
                                           *std::move(tls), authenticator_, logger_);
  jwks_->start();
  // What comes of it, and when, the log says by itself.
  reloads.add("jwks fetch", [this]() -> std::optional<std::string> {
    jwks_->reload();
    return std::nullopt;
  });
}

std::optional<std::string> KeyKeeper::read_api_keys() {
  auto keys = load_api_keys(api_keys_file_);
  if (!keys) return "API_KEYS_FILE " + keys.error();
  logger_.info("api keys read", {{"file", api_keys_file_}, {"keys", keys->size()}});
  authenticator_.set_api_keys(*std::move(keys));
  return std::nullopt;
}

}  // namespace famemely::app
