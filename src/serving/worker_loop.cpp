#include "serving/worker_loop.hpp"

#include <algorithm>
#include <utility>

namespace famemely::serving {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};

/// Without anything to read for so long, everything that had been sent when a shutdown began has been read.
constexpr std::chrono::milliseconds kLastReads{20};
/// Where something always comes, this is enough.
constexpr std::chrono::seconds kLastReadsMax{1};

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
      {service_.transports().next_deadline(), service_.next_deadline(), next_sweep_, next_look_, shutdown_deadline_});
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
  look_for_last_reads(now);
  turns_.settle();
  turns_.end();
}

void WorkerLoop::begin_shutdown(Instant deadline, std::function<void()> drained) {
  turns_.begin();
  acceptors_.close();
  connections_.begin_leaving();
  shutdown_deadline_ = deadline;
  drained_ = std::move(drained);
  const Now now = turns_.now();
  const Duration patience = std::max(Duration(), (deadline - now.instant) / 4);
  next_look_ = now.instant + std::min<Duration>(kLastReads, patience);
  last_reads_until_ = now.instant + std::min<Duration>(kLastReadsMax, patience);
  reads_seen_ = connections_.reads();
  service_.begin_shutdown(now, turns_.effects());
  look_for_last_reads(now);
  turns_.settle();
  turns_.schedule_end();
}

void WorkerLoop::look_for_last_reads(Now now) {
  if (now.instant < next_look_) return;
  const std::uint64_t reads = connections_.reads();
  if (std::exchange(reads_seen_, reads) != reads && now.instant < last_reads_until_) {
    next_look_ = now.instant + kLastReads;
    return;
  }
  next_look_ = kNever;
  service_.begin_closing(now, shutdown_deadline_, turns_.effects());
}

void WorkerLoop::check_drained() {
  if (!drained_) return;
  const bool quiet = next_look_ == kNever && service_.idle() && connections_.quiet();
  if (!quiet && turns_.now().instant < shutdown_deadline_) return;
  shutdown_deadline_ = kNever;
  connections_.close_for_good();
  std::exchange(drained_, nullptr)();
}

}  // namespace famemely::serving
