#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/logger.hpp"
#include "base/random_source.hpp"
#include "protocol/socketio/service.hpp"
#include "serving/connections.hpp"
#include "serving/listening_sockets.hpp"
#include "serving/worker_loop.hpp"

namespace famemely::serving {

/// Some workers, each a thread with a loop and a service of its own, that listen on the same port.
class Workers {
 public:
  /// The random source is the worker's own.
  using MakeService = std::function<std::unique_ptr<socketio::Service>(std::size_t worker, RandomSource& random)>;

  /// `options` are the same for all; its worker number is not looked at.
  Workers(const ConnectionOptions& options, const MakeService& make_service, Logger& logger);
  /// Those that have been started must have been stopped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] std::size_t size() const { return units_.size(); }
  [[nodiscard]] WorkerLoop& loop(std::size_t worker);

  void start(ListeningSockets& sockets);
  /// Shuts down as `WorkerLoop::begin_shutdown` says, and waits for the threads' end. Not to be called by a worker.
  void stop(std::chrono::milliseconds timeout);

 private:
  struct Unit;

  std::vector<std::unique_ptr<Unit>> units_;
};

}  // namespace famemely::serving
