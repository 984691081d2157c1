#include "app/run.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "app/server.hpp"
#include "app/user_token.hpp"
#include "app/version.hpp"
#include "serving/clocks.hpp"

namespace famemely::app {
namespace {

namespace asio = boost::asio;

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A core file would hold every secret of the configuration. One byte is too small for a file, and the value by which
/// Linux does not feed a collector either, which would not mind a limit of 0 (core(5)).
void forbid_core_dumps() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_CORE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1);
  ::setrlimit(RLIMIT_CORE, &limit);
}

/// What a newcomer needs next, on standard output.
void print_welcome(const Config& config, const serving::ListeningSockets& sockets, std::uint16_t broker_port) {
  const std::string url =
      fmt::format("{}://localhost:{}", config.tls_cert_file.empty() ? "http" : "https", sockets.port());
  const std::string token = make_token({.subject = "dev", .role = "admin", .lifetime = std::chrono::hours(24)}, config,
                                       serving::read_clocks().wall);
  const std::string broker = config.managed_broker() ? "127.0.0.1" : config.mqtt_host;
  fmt::print(
      "\n  famemely-mqtt {}\n\n  Clients   io('{}/mqtt', {{ auth: {{ token }} }})\n  Health    {}/mqtt/health\n"
      "  Listen in mosquitto_sub -h {} -p {} -t '#' -v\n  Token     (user dev, role admin, 24 hours)\n{}\n\n",
      kVersion, url, url, broker, broker_port, token);
  std::fflush(stdout);
}

class SignalHandler {
 public:
  SignalHandler(asio::io_context& main_loop, asio::signal_set& signals, Server& server, AdjustableLogger& logger,
                const std::function<Result<LogLevel, std::string>()>& read_log_level)
      : main_loop_(main_loop), signals_(signals), server_(server), logger_(logger), read_log_level_(read_log_level) {
    wait();
  }

  /// Of a shutdown that has begun.
  [[nodiscard]] Duration time_left() const { return deadline_ - serving::read_clocks().instant; }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& fault, int signal) {
      if (fault) return;
      if (signal == SIGHUP)
        reload_settings();
      else if (!std::exchange(shutting_down_, true))
        shut_down();
      else
        main_loop_.stop();  // asked twice: at once
      wait();
    });
  }

  void shut_down() {
    logger_.info("shutting down");
    deadline_ = server_.shut_down([this] { asio::post(main_loop_, [this] { main_loop_.stop(); }); });
  }

  void reload_settings() {
    if (const auto level = read_log_level_()) {
      logger_.set_level(*level);
      logger_.info("reloaded", {{"what", "log level"}});
    } else {
      logger_.error("reload failed, keeping the old", {{"what", "log level"}, {"error", level.error()}});
    }
    server_.reload();
  }

  asio::io_context& main_loop_;
  Instant deadline_{};
  asio::signal_set& signals_;
  Server& server_;
  AdjustableLogger& logger_;
  const std::function<Result<LogLevel, std::string>()>& read_log_level_;
  bool shutting_down_ = false;
};

/// What a teardown may take in any case, and at most: a managed broker has three seconds to stop.
constexpr std::chrono::seconds kTeardownMin{1};
constexpr std::chrono::seconds kTeardownMax{4};

/// While it lives, the process ends in time: a library that waits for something, for the address of a name that no
/// server answers say, must not hold up an end at which nobody waits for anything any more.
class LimitedTeardown {
 public:
  explicit LimitedTeardown(Duration limit)
      : thread_([this, limit] {
          std::unique_lock lock(mutex_);
          if (!ended_.wait_for(lock, limit, [this] { return is_over_; })) std::_Exit(0);
        }) {}
  LimitedTeardown(const LimitedTeardown&) = delete;
  LimitedTeardown& operator=(const LimitedTeardown&) = delete;
  ~LimitedTeardown() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace

int run(const Config& config, AdjustableLogger& logger,
        const std::function<Result<LogLevel, std::string>()>& read_log_level) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  forbid_core_dumps();
  asio::io_context main_loop(1);

  // From here on no signal ends the process by itself: what comes while the server starts is handled once it has.
  asio::signal_set signals(main_loop, SIGTERM, SIGINT, SIGHUP);
  auto server = Server::start(main_loop, config, logger);
  if (!server) return 1;
  const SignalHandler handler(main_loop, signals, **server, logger, read_log_level);
  (*server)->announce(logger);
  if (config.dev) print_welcome(config, (*server)->sockets(), (*server)->broker_port());

  const auto work = asio::make_work_guard(main_loop);
  main_loop.run();
  logger.info("stopped");
  const LimitedTeardown limited(std::clamp<Duration>(handler.time_left(), kTeardownMin, kTeardownMax));
  server->reset();  // before the handler of signals, which its threads may yet call
  return 0;
}

}  // namespace famemely::app
