#include "famemely/gateway.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "app/server.hpp"
#include "famemely/log_writer.hpp"
#include "famemely/settings_map.hpp"

namespace famemely {

namespace asio = boost::asio;

/// What the process's main thread is to the program, a thread is here: the managed broker is its child.
struct Gateway::State {
  app::Config config;
  std::shared_ptr<Logger> logger;

  struct Run {
    asio::io_context loop{1};
    std::unique_ptr<app::Server> server;
    std::thread thread;
  };
  std::unique_ptr<Run> run;

  /// Why not, if it could not be started.
  std::optional<std::string> start() {
    auto starting = std::make_unique<Run>();
    std::promise<std::optional<std::string>> outcome;
    starting->thread = std::thread([this, &own = *starting, &outcome] { serve(own, outcome); });
    auto fault = outcome.get_future().get();
    if (fault)
      starting->thread.join();
    else
      run = std::move(starting);
    return fault;
  }

  /// The exceptions are those of a failed start-up, as of a certificate that can't be read.
  [[nodiscard]] Result<std::unique_ptr<app::Server>, std::string> start_server(asio::io_context& loop) const {
    try {
      return app::Server::start(loop, config, *logger);
    } catch (const std::exception& error) {
      return failure(std::string(error.what()));
    }
  }

  void serve(Run& own, std::promise<std::optional<std::string>>& outcome) const {
    auto server = start_server(own.loop);
    if (!server) return outcome.set_value(std::move(server.error()));
    own.server = *std::move(server);
    own.server->announce(*logger);
    const auto work = asio::make_work_guard(own.loop);
    outcome.set_value(std::nullopt);
    own.loop.run();
    own.server.reset();
    logger->info("stopped");
  }

  void stop() {
    if (!run) return;
    asio::post(run->loop, [own = run.get()] {
      own->server->shut_down([own] { asio::post(own->loop, [own] { own->loop.stop(); }); });
    });
    run->thread.join();
    run.reset();
  }
};

Gateway::Gateway(GatewayOptions options) {
  auto loaded = config_of(options.settings, {});
  if (!loaded) throw GatewayError(loaded.error());
  auto logger = make_logger(std::move(options.log), loaded->config);
  for (const std::string& warning : loaded->warnings) logger->warn("configuration", {{"warning", warning}});
  state_ = std::make_unique<State>(std::move(loaded->config), std::move(logger), nullptr);
}

Gateway::~Gateway() { state_->stop(); }

void Gateway::start() {
  if (state_->run) return;
  if (auto fault = state_->start()) throw GatewayError(*fault);
}

void Gateway::stop() { state_->stop(); }

std::uint16_t Gateway::port() const { return state_->run ? state_->run->server->sockets().port() : std::uint16_t{0}; }

}  // namespace famemely
