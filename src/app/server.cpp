#include "app/server.hpp"

#include <utility>

#include "app/version.hpp"

namespace famemely::app {

Result<std::unique_ptr<Server>, std::string> Server::start(boost::asio::io_context& loop, const Config& config,
                                                           Logger& logger) {
  auto sockets = serving::ListeningSockets::open(config.host, config.port, config.workers);
  if (!sockets) {
    logger.error("can't listen", {{"error", sockets.error()}});
    return failure("can't listen: " + sockets.error());
  }
  std::unique_ptr<io::ManagedBroker> managed;
  std::uint16_t broker_port = config.mqtt_port;
  if (config.managed_broker()) {
    auto started = io::ManagedBroker::start(loop, {.port = config.mqtt_port}, logger);
    if (!started) {
      logger.error("managed broker failed", {{"error", started.error()}});
      return failure("managed broker failed: " + started.error());
    }
    managed = *std::move(started);
    broker_port = managed->port();
  }
  return std::unique_ptr<Server>(
      new Server(loop, *std::move(sockets), std::move(managed), broker_port, config, logger));
}

Server::Server(boost::asio::io_context& loop, serving::ListeningSockets sockets,
               std::unique_ptr<io::ManagedBroker> managed, std::uint16_t broker_port, const Config& config,
               Logger& logger)
    : sockets_(std::move(sockets)),
      managed_(std::move(managed)),
      broker_port_(broker_port),
      gateway_(loop, config, broker_port, logger),
      keys_(loop, config, gateway_.authenticator(), gateway_.reloads(), logger) {
  gateway_.start(sockets_);
  logger.info("starting", {{"version", kVersion}, {"node_id", config.node_id}, {"workers", config.workers}});
}

void Server::announce(Logger& logger) const {
  for (const std::string& address : sockets_.addresses())
    logger.info("listening", {{"host", address}, {"port", sockets_.port()}});
}

}  // namespace famemely::app
