#include "serving/worker_loop.hpp"

#include <algorithm>
#include <utility>

namespace famemely::serving {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};

/// What had been sent when a shutdown began is read within it.
constexpr std::chrono::milliseconds kLastReads{20};

}  // namespace

WorkerLoop::WorkerLoop(const ConnectionOptions& options, boost::asio::io_context& context, socketio::Service& service,
                       Logger& logger)
    : context_(context),
      service_(service),
      turns_(context, service, *this),
      connections_(options, context, service, turns_, logger),
      acceptors_(
          context, logger, [this] { turns_.begin(); },
          [this](int descriptor, std::string address) { connections_.take(descriptor, std::move(address)); }),
      timer_(context.get_executor()) {}

void WorkerLoop::set_peers(const std::vector<WorkerLoop*>& peers) {
  std::vector<Connections*> theirs;
  for (WorkerLoop* peer : peers) theirs.push_back(peer ? &peer->connections_ : nullptr);
  connections_.set_peers(std::move(theirs));
}

void WorkerLoop::listen(const std::vector<int>& descriptors) {
  acceptors_.listen(descriptors);
  next_sweep_ = turns_.now().instant + kSweepInterval;
  arm_timer();
}

void WorkerLoop::before_end() {
  if (before_end_) before_end_();
}

void WorkerLoop::after_end() {
  arm_timer();
  check_drained();
}

void WorkerLoop::arm_timer() {
  const Instant due = std::min(
      {service_.transports().next_deadline(), service_.next_deadline(), next_sweep_, last_reads_, shutdown_deadline_});
  if (due == kNever || due >= timer_armed_) return;
  timer_armed_ = due;
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& fault) {
    if (!fault) on_timer();
  });
}

void WorkerLoop::on_timer() {
  turns_.begin();
  timer_armed_ = kNever;
  const Now now = turns_.now();
  service_.transports().on_timer(now, turns_.effects());
  service_.on_timer(now, turns_.effects());
  if (now.instant >= next_sweep_) {
    connections_.close_overdue();
    next_sweep_ = now.instant + kSweepInterval;
  }
  if (now.instant >= last_reads_) last_reads_ = kNever;
  turns_.settle();
  turns_.end();
}

void WorkerLoop::begin_shutdown(Instant deadline, std::function<void()> drained) {
  turns_.begin();
  acceptors_.close();
  connections_.begin_leaving();
  shutdown_deadline_ = deadline;
  last_reads_ = std::min(turns_.now().instant + kLastReads, deadline);
  drained_ = std::move(drained);
  service_.begin_shutdown(turns_.now(), deadline, turns_.effects());
  turns_.settle();
  turns_.schedule_end();
}

void WorkerLoop::check_drained() {
  if (!drained_) return;
  const bool quiet = last_reads_ == kNever && service_.idle() && connections_.quiet();
  if (!quiet && turns_.now().instant < shutdown_deadline_) return;
  shutdown_deadline_ = kNever;
  std::exchange(drained_, nullptr)();
}

}  // namespace famemely::serving
