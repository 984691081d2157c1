#include "app/run.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "api/worker_application.hpp"
#include "app/config_rules.hpp"
#include "app/embedded_client_bundle.hpp"
#include "app/setting_parsers.hpp"
#include "app/user_token.hpp"
#include "app/version.hpp"
#include "gateway/authenticator.hpp"
#include "gateway/bridge.hpp"
#include "gateway/message_event.hpp"
#include "io/link.hpp"
#include "io/managed_broker.hpp"
#include "io/worker_link.hpp"
#include "serving/clocks.hpp"
#include "serving/listening_sockets.hpp"
#include "serving/mailbox.hpp"
#include "serving/system_random.hpp"
#include "serving/worker_loop.hpp"

namespace famemely::app {
namespace {

namespace asio = boost::asio;
using gateway::LinkCommand;
using gateway::WorkerEvent;

/// Bounds of the queues between threads, in about bytes.
constexpr std::size_t kWorkerMailboxBytes = 64'000'000;
constexpr std::size_t kLinkMailboxBytes = 64'000'000;
/// QoS 1 and 2 messages that the broker may have sent without our acknowledgement.
constexpr std::uint16_t kReceiveMaximum = 4096;

// --- from the configuration to each room's options ---

api::CorsPolicy cors_policy(const Config& config) {
  return {.origins = config.cors_origins, .any_loopback = config.dev};
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// What signs the sessions of the Admin UI: new with each process.
std::string make_admin_key() {
  serving::SystemRandom random;
  std::uint8_t bytes[32];
  random.fill(bytes);
  return std::string(std::begin(bytes), std::end(bytes));
}

api::WorkerApplicationOptions application_options(const Config& config, std::size_t worker,
                                                  const std::string& admin_key) {
  const auto index = static_cast<std::uint8_t>(worker);
  api::WorkerApplicationOptions options;
  options.socketio.namespaces = {std::string(gateway::kNamespace)};
  options.socketio.message_bytes_max = static_cast<std::uint32_t>(config.max_payload);
  options.socketio.client_queue_bytes_max = static_cast<std::uint32_t>(config.client_queue);
  const auto compression_bytes_min = static_cast<std::uint32_t>(config.compression_threshold);
  options.socketio.http_compression_bytes_min.reset();
  if (config.http_compression) options.socketio.http_compression_bytes_min = compression_bytes_min;
  if (config.websocket_compression) options.socketio.websocket_compression_bytes_min = compression_bytes_min;
  options.socketio.owner = index;
  options.worker = {.index = index,
                    .subscriptions_per_socket_max = config.limit_subscriptions_per_socket,
                    .replay_bytes = std::min<std::size_t>(config.client_queue / 4, 65'536),
                    .recovery_window = config.recovery_window,
                    .recovery_bytes = config.recovery_bytes,
                    .recovery_bytes_total = config.recovery_bytes_total / 2 / config.workers};
  options.cors = cors_policy(config);
  options.client_bundle = embedded_client_bundle();
  options.serve_client = config.serve_client;
  const Instant now = serving::read_clocks().instant;
  options.rest = {.version = std::string(kVersion),
                  .started_at = now,
                  .compressed_bytes_min = options.socketio.http_compression_bytes_min};
  if (config.admin_ui) options.socketio.namespaces.emplace_back(api::kAdminNamespace);
  options.admin = {.session_key = admin_key,
                   .server = {.id = config.node_id,
                              .hostname = host_name(),
                              .pid = static_cast<std::int64_t>(::getpid()),
                              .started_at = now}};
  return options;
}

gateway::BridgeOptions bridge_options(const Config& config, WallTime now) {
  gateway::BridgeOptions options;
  options.session.client_id = config.mqtt_client_id.empty() ? fmt::format("famemely_{}", now.time_since_epoch().count())
                                                            : config.mqtt_client_id;
  if (!config.mqtt_username.empty()) options.session.username = config.mqtt_username;
  if (!config.mqtt_password.empty()) options.session.password = config.mqtt_password;
  switch (config.mqtt_version) {
    case BrokerVersion::automatic:
      options.session.version = mqtt::VersionChoice::automatic;
      break;
    case BrokerVersion::v5:
      options.session.version = mqtt::VersionChoice::only_5;
      break;
    case BrokerVersion::v3_1_1:
      options.session.version = mqtt::VersionChoice::only_3_1_1;
      break;
  }
  options.session.keepalive_s =
      static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::seconds>(config.mqtt_keepalive).count());
  options.session.connack_timeout = config.mqtt_connect_timeout;
  options.session.receive_maximum = kReceiveMaximum;
  options.session.packet_bytes_max = config.max_payload + 128 * 1024;
  options.reconnect_min = config.mqtt_reconnect_min;
  options.reconnect_max = config.mqtt_reconnect_max;
  options.subscribe_batch = config.mqtt_subscribe_batch;
  options.payload_bytes_max = config.max_payload;
  options.workers = config.workers;
  options.fence_topic = config.mqtt_fence_topic;
  // A dead connection is found out a ping late, and its client's window begins then.
  const socketio::Options pings;
  if (config.recovery_window > Duration::zero())
    options.recovery_window = config.recovery_window + pings.ping_interval + pings.ping_timeout;
  options.recovery_bytes = config.recovery_bytes;
  options.recovery_bytes_total = config.recovery_bytes_total / 2;
  return options;
}

/// The files have been read before: what is wrong with them now has gone wrong in between.
io::BrokerAddress broker_address(const Config& config, std::uint16_t port) {
  io::BrokerAddress address{.host = config.managed_broker() ? "127.0.0.1" : config.mqtt_host,
                            .port = port,
                            .connect_timeout = config.mqtt_connect_timeout};
  if (config.broker_tls()) {
    auto tls = io::TlsContext::make(tls_options(config));
    if (!tls) throw std::runtime_error(tls.error());
    address.tls = *std::move(tls);
  }
  if (config.broker_websocket()) {
    address.websocket.emplace().target = config.mqtt_ws_path;
    if (!config.mqtt_ws_headers.empty()) address.websocket->fields = parse_ws_headers(config.mqtt_ws_headers).value();
  }
  address.has_credentials =
      !config.mqtt_password.empty() ||
      (address.websocket && (address.websocket->fields.size() > 0 || address.websocket->target.contains('?')));
  return address;
}

gateway::Authenticator make_authenticator(const Config& config) {
  return gateway::Authenticator(jwt::Verifier({.secret = config.supabase_jwt_secret,
                                               .audience = config.jwt_audience,
                                               .issuer = config.issuer(),
                                               .leeway = config.jwt_leeway,
                                               .loopback_only = config.loopback_only()}),
                                gateway::RoleClaims::parse(config.jwt_role_claims).value());
}

std::shared_ptr<const gateway::PermissionPolicy> make_policy(const Config& config) {
  gateway::PermissionPolicy policy = gateway::PermissionPolicy::built_in();
  if (!config.mqtt_fence_topic.empty())
    policy.reserved.push_back(mqtt::TopicFilter::parse(config.mqtt_fence_topic).value());
  return std::make_shared<const gateway::PermissionPolicy>(std::move(policy));
}

// --- workers and the link ---

/// One worker, whole: its loop, what it runs, and its thread.
struct WorkerUnit {
  WorkerUnit(const Config& config, std::size_t index, const std::string& admin_key,
             const gateway::Authenticator& authenticator,
             const std::shared_ptr<const gateway::PermissionPolicy>& policy, Logger& logger)
      : context(1),
        application(application_options(config, index, admin_key), authenticator, policy, random, logger),
        loop({.worker = index, .workers = config.workers, .http = {.body_bytes_max = config.max_payload}}, context,
             application, logger),
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

class Gateway {
 public:
  Gateway(const Config& config, std::uint16_t broker_port, AdjustableLogger& logger)
      : config_(config),
        logger_(logger),
        authenticator_(make_authenticator(config)),
        policy_(make_policy(config)),
        bridge_(bridge_options(config, serving::read_clocks().wall), link_random_, logger) {
    const std::string admin_key = make_admin_key();
    for (std::size_t i = 0; i < config.workers; ++i)
      workers_.push_back(std::make_unique<WorkerUnit>(config, i, admin_key, authenticator_, policy_, logger));
    if (config.workers > 1) link_context_ = std::make_unique<asio::io_context>(1);
    asio::io_context& link_loop = link_context_ ? *link_context_ : workers_.front()->context;
    link_ = std::make_unique<io::Link>(broker_address(config, broker_port), link_loop, bridge_,
                                       link_context_ != nullptr, logger);
    connect_rooms();
  }

  ~Gateway() { stop_threads(); }

  void start(serving::ListeningSockets& sockets) {
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->loop.listen(sockets.take(i));
    link_->start();
    for (auto& worker : workers_) worker->thread = std::thread([this, &unit = *worker] { run_loop(unit.context); });
    if (link_context_) link_thread_ = std::thread([this] { run_loop(*link_context_); });
  }

  /// `stopped` is called on an arbitrary thread once every socket has been told and closed, what was in flight is
  /// finished, and the broker has its DISCONNECT; at the deadline in any case.
  void shut_down(std::function<void()> stopped) {
    stopped_ = std::move(stopped);
    draining_ = workers_.size();
    const Instant deadline = serving::read_clocks().instant + config_.shutdown_timeout;
    for (auto& worker : workers_)
      asio::post(worker->context, [this, &loop = worker->loop, deadline] {
        loop.begin_shutdown(deadline, [this] {
          if (--draining_ == 0) asio::post(link_->context(), [this] { link_->stop(stopped_); });
        });
      });
  }

 private:
  void connect_rooms() {
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

  void run_loop(asio::io_context& context) {
    const auto work = asio::make_work_guard(context);
    try {
      context.run();
    } catch (const std::exception& error) {
      // A loop can't go on from an arbitrary place: end, and let the supervisor start the server anew.
      logger_.error("loop failed", {{"error", error.what()}});
      std::terminate();
    }
  }

  void stop_threads() {
    for (auto& worker : workers_) worker->context.stop();
    if (link_context_) link_context_->stop();
    for (auto& worker : workers_)
      if (worker->thread.joinable()) worker->thread.join();
    if (link_thread_.joinable()) link_thread_.join();
  }

  Config config_;
  Logger& logger_;
  gateway::Authenticator authenticator_;
  std::shared_ptr<const gateway::PermissionPolicy> policy_;
  serving::SystemRandom link_random_;
  gateway::Bridge bridge_;
  std::unique_ptr<asio::io_context> link_context_;  // none with one worker: the link then shares its loop
  std::unique_ptr<serving::Mailbox<LinkCommand>> link_mailbox_;
  std::vector<std::unique_ptr<WorkerUnit>> workers_;
  std::unique_ptr<io::Link> link_;
  std::thread link_thread_;
  std::atomic<std::size_t> draining_ = 0;
  std::function<void()> stopped_;
};

// --- the process ---

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What a newcomer needs next, on standard output.
void print_welcome(const Config& config, const serving::ListeningSockets& sockets, std::uint16_t broker_port) {
  const std::string url = fmt::format("http://localhost:{}", sockets.port());
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
  SignalHandler(asio::io_context& main_loop, Gateway& gateway, AdjustableLogger& logger,
                const std::function<Result<Config, std::string>()>& reload)
      : main_loop_(main_loop),
        signals_(main_loop, SIGTERM, SIGINT, SIGHUP),
        gateway_(gateway),
        logger_(logger),
        reload_(reload) {
    wait();
  }

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
    gateway_.shut_down([this] { asio::post(main_loop_, [this] { main_loop_.stop(); }); });
  }

  void reload_settings() {
    const auto config = reload_();
    if (!config) return logger_.error("reload failed, keeping the old settings", {{"error", config.error()}});
    logger_.set_level(config->log_level);
    logger_.info("reloaded");
  }

  asio::io_context& main_loop_;
  asio::signal_set signals_;
  Gateway& gateway_;
  AdjustableLogger& logger_;
  const std::function<Result<Config, std::string>()>& reload_;
  bool shutting_down_ = false;
};

}  // namespace

int run(const Config& config, AdjustableLogger& logger, const std::function<Result<Config, std::string>()>& reload) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  asio::io_context main_loop(1);

  auto sockets = serving::ListeningSockets::open(config.host, config.port, config.workers);
  if (!sockets) {
    logger.error("can't listen", {{"error", sockets.error()}});
    return 1;
  }

  std::unique_ptr<io::ManagedBroker> managed;
  std::uint16_t broker_port = config.mqtt_port;
  if (config.managed_broker()) {
    auto started = io::ManagedBroker::start(main_loop, {.port = config.mqtt_port}, logger);
    if (!started) {
      logger.error("managed broker failed", {{"error", started.error()}});
      return 1;
    }
    managed = *std::move(started);
    broker_port = managed->port();
  }

  Gateway gateway(config, broker_port, logger);
  gateway.start(*sockets);
  logger.info("starting", {{"version", kVersion}, {"node_id", config.node_id}, {"workers", config.workers}});
  const SignalHandler signals(main_loop, gateway, logger, reload);
  for (const std::string& address : sockets->addresses())
    logger.info("listening", {{"host", address}, {"port", sockets->port()}});
  if (config.dev) print_welcome(config, *sockets, broker_port);

  const auto work = asio::make_work_guard(main_loop);
  main_loop.run();
  logger.info("stopped");
  return 0;
}

}  // namespace famemely::app
