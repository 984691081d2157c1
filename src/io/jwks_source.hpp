#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/jwks_schedule.hpp"
#include "io/file_watch.hpp"
#include "io/http_get.hpp"
#include "io/http_url.hpp"
#include "io/tls_context.hpp"

namespace famemely::io {

/// Where a JWKS comes from: a server, or a file.
struct JwksLocation {
  std::optional<HttpUrl> url{};
  std::string file{};  // if there is no URL

  /// `https://…`, `http://` to this machine, or `file:` with a path. The fault says what is wrong, or why that is not
  /// allowed.
  [[nodiscard]] static Result<JwksLocation, std::string> parse(std::string_view text);
  /// For logs.
  [[nodiscard]] std::string shown() const { return url ? url->shown() : "file:" + file; }
};

/// Keeps the authenticator's JWKS new: fetches it, fetches it again before it is stale, and when a token names a key
/// that it does not have; goes on with the last one for a while where it can't be fetched. A file is read again when it
/// changes as well.
///
/// All functions are called on the loop's thread, or before it runs. It must live as long as its loop runs, and the
/// authenticator longer.
class JwksSource {
 public:
  static constexpr std::chrono::seconds kTimeout{10};
  /// How long the start of the server waits for the first set.
  static constexpr std::chrono::seconds kFirstWait{5};

  JwksSource(boost::asio::io_context& loop, JwksLocation location, std::chrono::milliseconds max_stale,
             std::unique_ptr<TlsContext> tls, gateway::Authenticator& authenticator, Logger& logger);
  ~JwksSource();

  /// Fetches the first set, and waits for it a moment, so that who comes at once is not refused for its lack: for that
  /// it runs the loop, which nobody else may do meanwhile. A failure is logged, and it goes on trying.
  void start();
  /// Fetches at once.
  void reload();

 private:
  void fetch();
  void on_answer(Result<HttpGet::Answer, std::string> answer);
  void accept(jwt::KeySet keys, std::optional<std::chrono::seconds> fresh_for);
  void fail(const std::string& why);
  void end_keys();
  void log_keys(const jwt::KeySet& keys, bool changed);
  void arm();

  boost::asio::io_context& loop_;
  JwksLocation location_;
  std::chrono::milliseconds max_stale_;
  std::unique_ptr<TlsContext> tls_;
  gateway::Authenticator& authenticator_;
  Logger& logger_;
  HttpGet get_;
  gateway::JwksSchedule schedule_;
  gateway::JwksState state_;
  bool failing_ = false;
  boost::asio::steady_timer timer_;
  std::optional<FileWatch> watch_;
};

}  // namespace famemely::io
