#include "app/gateway.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "api/worker_application.hpp"
#include "app/load_rules.hpp"
#include "app/room_options.hpp"
#include "io/worker_link.hpp"
#include "serving/clocks.hpp"
#include "serving/worker_loop.hpp"

namespace famemely::app {
namespace {

namespace asio = boost::asio;
using gateway::LinkCommand;
using gateway::WorkerEvent;

/// Bounds of the queues between threads, in about bytes.
constexpr std::size_t kWorkerMailboxBytes = 64'000'000;
constexpr std::size_t kLinkMailboxBytes = 64'000'000;

/// The way of a worker to a link that has a loop of its own.
class MailboxLinkPort final : public io::LinkPort {
 public:
  MailboxLinkPort(serving::Mailbox<LinkCommand>& mailbox, asio::io_context& worker, io::WorkerLink& link)
      : mailbox_(mailbox), worker_(worker), on_room_([&link] { link.on_room(); }) {}

  bool push(std::size_t, std::vector<LinkCommand>& commands) override {
    return mailbox_.push(commands, worker_, on_room_);
  }

 private:
  serving::Mailbox<LinkCommand>& mailbox_;
  asio::io_context& worker_;
  std::function<void()> on_room_;
};

}  // namespace

/// One worker, whole: its loop, what it runs, and its thread.
struct Gateway::WorkerUnit {
  WorkerUnit(const Config& config, std::size_t index, const std::string& admin_key, SharedLimits& limits,
             serving::TlsServer* tls, const gateway::Authenticator& authenticator,
             const std::shared_ptr<const gateway::PermissionPolicy>& policy, Logger& logger)
      : context(1),
        application(application_options(config, index, admin_key, limits), authenticator, policy, random, logger),
        loop(connection_options(config, index, limits, tls), context, application, logger),
        link(index, std::min<std::size_t>(config.client_queue / 4, 1'000'000), loop, application) {}

  asio::io_context context;
  serving::SystemRandom random;
  api::WorkerApplication application;
  serving::WorkerLoop loop;
  io::WorkerLink link;
  std::unique_ptr<io::LinkPort> link_port;
  std::unique_ptr<serving::Mailbox<WorkerEvent>> mailbox;
  std::thread thread;
};

Gateway::Gateway(asio::io_context& loop, const Config& config, std::uint16_t broker_port, Logger& logger)
    : config_(config),
      logger_(logger),
      reloads_(logger),
      limits_(config),
      tls_(make_tls_server(config)),
      authenticator_(make_authenticator(config)),
      policy_(make_policy(config)),
      bridge_(bridge_options(config, serving::read_clocks().wall, &limits_), link_random_, logger) {
  if (tls_)
    reloads_.add("TLS files", [this]() -> std::optional<std::string> {
      if (auto reloaded = tls_->reload(); !reloaded) return std::move(reloaded.error());
      return std::nullopt;
    });
  const std::string admin_key = make_admin_key();
  for (std::size_t i = 0; i < config.workers; ++i)
    workers_.push_back(
        std::make_unique<WorkerUnit>(config, i, admin_key, limits_, tls_.get(), authenticator_, policy_, logger));
  if (config.workers > 1) link_context_ = std::make_unique<asio::io_context>(1);
  asio::io_context& link_loop = link_context_ ? *link_context_ : workers_.front()->context;
  link_ = std::make_unique<io::Link>(broker_address(config, broker_port), link_loop, bridge_, link_context_ != nullptr,
                                     logger);
  connect_rooms();
  authenticator_.set_on_change([this] { tell_workers(gateway::KeysChanged{}); });
  add_reloads(loop);
}

Gateway::~Gateway() { stop_threads(); }

void Gateway::start(serving::ListeningSockets& sockets) {
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->loop.listen(sockets.take(i));
  link_->start();
  for (auto& worker : workers_) worker->thread = std::thread([this, &unit = *worker] { run_loop(unit.context); });
  if (link_context_) link_thread_ = std::thread([this] { run_loop(*link_context_); });
}

Instant Gateway::shut_down(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  draining_ = workers_.size();
  const Instant deadline = serving::read_clocks().instant + config_.shutdown_timeout;
  for (auto& worker : workers_)
    asio::post(worker->context, [this, &loop = worker->loop, deadline] {
      loop.begin_shutdown(deadline, [this, deadline] {
        if (--draining_ == 0) asio::post(link_->context(), [this, deadline] { end_link(deadline); });
      });
    });
  return deadline;
}

void Gateway::end_link(Instant deadline) {
  link_->stop(std::max(Duration(), deadline - serving::read_clocks().instant), stopped_);
}

void Gateway::connect_rooms() {
  std::vector<serving::WorkerLoop*> loops;
  for (auto& worker : workers_) loops.push_back(&worker->loop);
  std::vector<io::Link::Gate> gates;
  if (link_context_)
    link_mailbox_ = std::make_unique<serving::Mailbox<LinkCommand>>(
        *link_context_, kLinkMailboxBytes, [this](std::vector<LinkCommand>& commands) { link_->push(0, commands); });
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    WorkerUnit& worker = *workers_[i];
    worker.loop.set_peers(loops);
    if (!link_context_) {
      worker.link.set_port(*link_);
      gates.emplace_back([&worker](std::vector<WorkerEvent>& events) {
        worker.link.on_events(events);
        return true;
      });
      continue;
    }
    worker.link_port = std::make_unique<MailboxLinkPort>(*link_mailbox_, worker.context, worker.link);
    worker.link.set_port(*worker.link_port);
    worker.mailbox = std::make_unique<serving::Mailbox<WorkerEvent>>(
        worker.context, kWorkerMailboxBytes,
        [&worker](std::vector<WorkerEvent>& events) { worker.link.on_events(events); });
    gates.emplace_back(
        [this, &worker, on_room = std::function<void()>([this, i] { link_->on_worker_room(i); })](
            std::vector<WorkerEvent>& events) { return worker.mailbox->push(events, *link_context_, on_room); });
  }
  link_->set_gates(std::move(gates));
}

void Gateway::add_reloads(asio::io_context& loop) {
  const auto add = [&](const std::string& file, const std::string& what, Reloads::Part part) {
    reloads_.add(what, std::move(part));
    watches_.push_back(std::make_unique<io::FileWatch>(loop, file, [this, what] { reloads_.run(what); }));
  };
  if (!config_.permissions_file.empty())
    add(permissions_file_name(config_), "permissions", [this] { return reload_permissions(); });
}

std::optional<std::string> Gateway::reload_permissions() {
  auto loaded = load_rules(config_);
  if (!loaded) return std::move(loaded.error());
  for (const std::string& warning : loaded->warnings) logger_.warn("permissions", {{"warning", warning}});
  policy_ = std::make_shared<const gateway::PermissionPolicy>(std::move(loaded->rules));
  tell_workers(gateway::PolicyChanged{policy_});
  return std::nullopt;
}

void Gateway::tell_workers(const WorkerEvent& event) {
  for (auto& worker : workers_)
    asio::post(worker->context, [&link = worker->link, event] {
      std::vector<WorkerEvent> events{event};
      link.on_events(events);
    });
}

void Gateway::run_loop(asio::io_context& context) {
  const auto work = asio::make_work_guard(context);
  try {
    context.run();
  } catch (const std::exception& error) {
    // A loop can't go on from an arbitrary place: end, and let the supervisor start the server anew.
    logger_.error("loop failed", {{"error", error.what()}});
    std::terminate();
  }
}

void Gateway::stop_threads() {
  for (auto& worker : workers_) worker->context.stop();
  if (link_context_) link_context_->stop();
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
  if (link_thread_.joinable()) link_thread_.join();
}

}  // namespace famemely::app
