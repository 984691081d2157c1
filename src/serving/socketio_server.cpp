#include "serving/socketio_server.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

#include "serving/in_process_cluster.hpp"
#include "serving/listening_sockets.hpp"
#include "serving/workers.hpp"

namespace famemely::serving {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kWorkersMax = 255;

class NoLogger final : public Logger {
 public:
  [[nodiscard]] bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, const std::vector<LogField>&) override {}
};

Logger& no_logger() {
  static NoLogger logger;
  return logger;
}

socketio::NodeOptions node_options(socketio::NodeOptions options, std::size_t worker) {
  options.server.owner = static_cast<std::uint8_t>(worker);
  return options;
}

}  // namespace

class SocketIoServer::Running {
 public:
  Running(const SocketIoServerOptions& options, const socketio::Definitions& definitions, ListeningSockets& sockets)
      : port_(sockets.port()),
        logger_(options.logger ? *options.logger : no_logger()),
        cluster_(options.inbox_bytes_max),
        workers_(
            {.workers = options.workers, .http = {.body_bytes_max = options.node.server.message_bytes_max}},
            [&](std::size_t worker, RandomSource& random) { return make_node(options, definitions, worker, random); },
            logger_) {
    for (std::size_t i = 0; i < workers_.size(); ++i) cluster_.add(*nodes_[i], workers_.loop(i));
    workers_.start(sockets);
  }

  void stop(std::chrono::milliseconds timeout) { workers_.stop(timeout); }

  void post(std::size_t worker, std::function<void(socketio::Node&)> call) {
    WorkerLoop& loop = workers_.loop(worker);
    asio::post(loop.context(), [&loop, &node = *nodes_[worker], call = std::move(call)] {
      Turns& turns = loop.turns();
      turns.begin();
      node.within(turns.now(), turns.effects(), [&] { call(node); });
      turns.settle();
      turns.schedule_end();
    });
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::unique_ptr<socketio::Service> make_node(const SocketIoServerOptions& options,
                                               const socketio::Definitions& definitions, std::size_t worker,
                                               RandomSource& random) {
    auto node = std::make_unique<socketio::Node>(node_options(options.node, worker), definitions, random, logger_);
    nodes_.push_back(node.get());
    return node;
  }

  const std::uint16_t port_;
  Logger& logger_;
  InProcessCluster cluster_;
  std::vector<socketio::Node*> nodes_;  // the workers' services
  Workers workers_;
};

SocketIoServer::SocketIoServer(SocketIoServerOptions options) : options_(std::move(options)) {
  options_.workers = std::clamp<std::size_t>(options_.workers, 1, kWorkersMax);
}

SocketIoServer::~SocketIoServer() { stop(); }

socketio::NamespaceDefinition& SocketIoServer::of(std::string_view name) { return definitions_.of(name); }

socketio::NamespaceDefinition& SocketIoServer::of(socketio::NamespacePredicate predicate) {
  return definitions_.of(std::move(predicate));
}

socketio::NamespaceDefinition& SocketIoServer::on_connection(socketio::ConnectionHandler handler) {
  return of("/").on_connection(std::move(handler));
}

Result<void, std::string> SocketIoServer::start() {
  if (running_) return {};
  auto sockets = ListeningSockets::open(options_.hosts, options_.port, options_.workers);
  if (!sockets) return failure(sockets.error());
  running_ = std::make_unique<Running>(options_, definitions_, *sockets);
  return {};
}

void SocketIoServer::stop() {
  if (!running_) return;
  running_->stop(options_.shutdown_timeout);
  running_.reset();
}

Result<void, std::string> SocketIoServer::run() {
  asio::io_context signals(1);
  asio::signal_set wanted(signals, SIGINT, SIGTERM);
  if (auto started = start(); !started) return started;
  wanted.async_wait([](const boost::system::error_code&, int) {});
  signals.run();
  stop();
  return {};
}

std::uint16_t SocketIoServer::port() const { return running_ ? running_->port() : options_.port; }

std::size_t SocketIoServer::workers() const { return options_.workers; }

void SocketIoServer::post(std::size_t worker, std::function<void(socketio::Node&)> call) {
  if (running_) running_->post(worker, std::move(call));
}

}  // namespace famemely::serving
