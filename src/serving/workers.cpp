#include "serving/workers.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <latch>
#include <thread>
#include <utility>

#include "serving/clocks.hpp"
#include "serving/system_random.hpp"

namespace famemely::serving {
namespace {

ConnectionOptions with_worker(ConnectionOptions options, std::size_t worker) {
  options.worker = worker;
  return options;
}

}  // namespace

struct Workers::Unit {
  Unit(const ConnectionOptions& options, const MakeService& make_service, Logger& logger)
      : context(1), service(make_service(options.worker, random)), loop(options, context, *service, logger) {}

  boost::asio::io_context context;
  SystemRandom random;
  std::unique_ptr<socketio::Service> service;
  WorkerLoop loop;
  std::thread thread;
};

Workers::Workers(const ConnectionOptions& options, const MakeService& make_service, Logger& logger) {
  std::vector<WorkerLoop*> loops;
  for (std::size_t i = 0; i < options.workers; ++i) {
    units_.push_back(std::make_unique<Unit>(with_worker(options, i), make_service, logger));
    loops.push_back(&units_[i]->loop);
  }
  for (WorkerLoop* loop : loops) loop->set_peers(loops);
}

Workers::~Workers() = default;

WorkerLoop& Workers::loop(std::size_t worker) { return units_[worker]->loop; }

void Workers::start(ListeningSockets& sockets) {
  for (std::size_t i = 0; i < units_.size(); ++i) units_[i]->loop.listen(sockets.take(i));
  for (auto& unit : units_)
    unit->thread = std::thread([&context = unit->context] {
      const auto work = boost::asio::make_work_guard(context);
      context.run();
    });
}

void Workers::stop(std::chrono::milliseconds timeout) {
  std::latch drained(static_cast<std::ptrdiff_t>(units_.size()));
  const Instant deadline = read_clocks().instant + timeout;
  for (auto& unit : units_)
    boost::asio::post(unit->context, [&loop = unit->loop, &drained, deadline] {
      loop.begin_shutdown(deadline, [&drained] { drained.count_down(); });
    });
  drained.wait();
  for (auto& unit : units_) unit->context.stop();
  for (auto& unit : units_) unit->thread.join();
}

}  // namespace famemely::serving
